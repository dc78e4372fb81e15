"""Plug-ins become a registry; one that cannot be used is named."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from reconciler.cli.compose import plugins, registry
from reconciler.core.errors import Invalid


def test_the_installed_protocols_make_the_account_model() -> None:
    assert "imap" in plugins()
    assert "imap" in registry().account.model_fields


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("PLUGIN = object()", "is no ProtocolPlugin"),
        ("raise RuntimeError('broken')", "cannot be loaded"),
        ("from reconciler.protocol.imap_settings import IMAP as PLUGIN", "in use"),
    ],
)
def test_a_plug_in_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, words: str
) -> None:
    (tmp_path / "fax_protocol.py").write_text(code)
    info = tmp_path / "fax_protocol-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fax-protocol\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[reconciler.protocols]\nfax = fax_protocol:PLUGIN\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "fax_protocol", raising=False)
    with pytest.raises(Invalid, match=words) as caught:
        plugins()
    assert "fax" in str(caught.value) or words == "in use"
