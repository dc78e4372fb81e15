"""Reads the operators' policy file; whatever is wrong with it becomes a finding, and then there is no policy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.core.errors import Invalid
from reconciler.core.finding import Finding
from reconciler.core.policy import BUILT_IN, Policy
from reconciler.core.shape import read_shape
from reconciler.source.yaml_reader import SIZE_CAP, read_yaml

_UNREADABLE, _UNKNOWN_KEY, _WRONG_VALUE = "E411", "E412", "E413"


@dataclass(frozen=True, slots=True)
class LoadedPolicy:
    """The policy, or None and why it cannot be used."""

    policy: Policy | None
    findings: tuple[Finding, ...] = ()


def load_policy(path: Path | None) -> LoadedPolicy:
    """The policy in this file; without one the built-in policy. Raises nothing."""
    if path is None:
        return LoadedPolicy(BUILT_IN)
    try:
        if not path.is_file():
            return _unreadable(path, "there is no such file" if not path.exists() else "it is not a regular file")
        with path.open("rb") as file:
            data = file.read(SIZE_CAP + 1)
    except OSError as error:
        return _unreadable(path, error.strerror or type(error).__name__)
    document = read_yaml(data, str(path))
    if document.findings:
        return LoadedPolicy(None, tuple(replace(found, code=_UNREADABLE) for found in document.findings))
    policy, findings = read_shape(Policy, document, "")
    return LoadedPolicy(policy, tuple(_own_code(found) for found in findings))


def read_policy(path: Path | None) -> Policy:
    """The policy in this file. Raises Invalid, with every finding, if it cannot be used: nothing may go on without."""
    loaded = load_policy(path)
    if loaded.policy is None:
        said = "; ".join(f"{f.file}:{f.line}:{f.column}: {f.code} {f.message}" for f in loaded.findings)
        raise Invalid(f"the policy cannot be used, so nothing is changed: {said}")
    return loaded.policy


def _unreadable(path: Path, why: str) -> LoadedPolicy:
    message = f"the policy cannot be read ({why}); correct --policy, or provide the file"
    return LoadedPolicy(None, (Finding(str(path), 1, 1, "", _UNREADABLE, message),))


def _own_code(finding: Finding) -> Finding:
    return replace(finding, code=_UNKNOWN_KEY if finding.code == "E201" else _WRONG_VALUE)
