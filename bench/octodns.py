"""Zones for octoDNS: one file each, with as many records as a tenant's file has keys that matter.

The target reads the files that the source reads, so that a plan finds nothing to change; octoDNS's own YAML target
always counts as empty.
"""

from __future__ import annotations

from pathlib import Path

_CONFIG = """\
providers:
  config:
    class: octodns.provider.yaml.YamlProvider
    directory: {zones}
    default_ttl: 300
    enforce_order: false
  target:
    class: target.Same
    directory: {zones}
    default_ttl: 300
    enforce_order: false
zones:
"""
_TARGET = """\
from octodns.provider.yaml import YamlProvider


class Same(YamlProvider):
    def populate(self, zone, target=False, lenient=False):
        return super().populate(zone, target=False, lenient=lenient)
"""
_ZONE = """\
'':
  - {type: A, value: 192.0.2.1}
  - {type: MX, values: [{preference: 10, exchange: mail.example.net.}]}
  - {type: TXT, value: v=spf1 -all}
imap: {type: CNAME, value: mail.example.net.}
smtp: {type: CNAME, value: mail.example.net.}
www: {type: A, values: [192.0.2.2, 192.0.2.3]}
"""


def write_zones(folder: Path, count: int) -> Path:
    """Write so many zones; the configuration file that names them. Its folder has to be on the import path."""
    zones = folder / "zones"
    zones.mkdir(parents=True)
    (folder / "target.py").write_text(_TARGET)
    lines = [_CONFIG.format(zones=zones)]
    for number in range(count):
        name = f"tenant-{number:05}.example."
        (zones / f"{name}yaml").write_text(_ZONE)
        lines.append(f"  {name}:\n    sources: [config]\n    targets: [target]\n")
    config = folder / "config.yaml"
    config.write_text("".join(lines))
    return config
