"""Puts new accounts into the files of an accounts folder, once the folder with them has been judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.core.account import MAIN
from reconciler.core.errors import Invalid
from reconciler.core.finding import Finding, Severity
from reconciler.core.registry import Registry
from reconciler.runtime.desired import judge
from reconciler.source.edit import new_file, with_accounts
from reconciler.source.files import Loaded, load, with_texts
from reconciler.source.written import write_file


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account as its file will say it, and the tenant it is for; `tenant_name` is said in a file that is new."""

    tenant: str
    account: Mapping[str, Any]
    tenant_name: str | None = None

    @property
    def label(self) -> str:
        """`tenant/id`, as people write it."""
        return f"{self.tenant}/{self.account['id']}"


@dataclass(frozen=True, slots=True)
class Proposal:
    """New texts by file name, the errors they would bring, and accounts whose file cannot be edited, with the reason.

    `places` says where an account would stand: the file and its number in the file's list.
    """

    root: Path
    texts: Mapping[str, str]
    errors: tuple[Finding, ...]
    places: Mapping[tuple[str, int], NewAccount]
    refused: Mapping[str, str]

    def concerns(self, finding: Finding) -> NewAccount | None:
        """The new account a finding is about; None if it is about something else."""
        parts = finding.pointer.split("/")
        if len(parts) < 3 or parts[1] != "accounts" or not parts[2].isdecimal():
            return None
        return self.places.get((finding.file, int(parts[2])))

    def write(self) -> None:
        """Write the files, each in one rename. Raises Unavailable."""
        for name, text in self.texts.items():
            write_file(self.root / name, text)


class AccountsFolder:
    """An accounts folder as it was when it was loaded. Raises Unavailable if it cannot be listed."""

    def __init__(self, root: Path, registry: Registry) -> None:
        self._root, self._registry, self._loaded = root, registry, load(root)

    @property
    def tenants(self) -> frozenset[str]:
        """The tenants that have a file or folder."""
        return self._loaded.listed - {MAIN}

    def accounts(self, tenant: str) -> list[Mapping[str, Any]]:
        """The accounts that the tenant's readable files list."""
        files = self._loaded.units.get(tenant)
        lists = [d.data.get("accounts") for d in files.documents if d.usable] if files else []
        return [a for listed in lists if isinstance(listed, list) for a in listed if isinstance(a, dict)]

    def tenant_name(self, tenant: str) -> str | None:
        """The display name in the tenant's file, if it says one."""
        files = self._loaded.units.get(tenant)
        head = files.head.data if files and files.documents and files.head.usable else {}
        name = head.get("name")
        return name if isinstance(name, str) else None

    def propose(self, wanted: Sequence[NewAccount]) -> Proposal:
        """What writing these accounts would come to; nothing is written."""
        texts: dict[str, str] = {}
        places: dict[tuple[str, int], NewAccount] = {}
        refused: dict[str, str] = {}
        for file, additions in self._by_file(wanted).items():
            try:
                old = self._text(file, additions[0])
                texts[file] = with_accounts(old, file, [a.account for a in additions])
            except Invalid as error:
                refused |= {a.label: str(error) for a in additions}
                continue
            count = len(self._listed(file))
            places |= {(file, count + number): a for number, a in enumerate(additions)}
        return Proposal(self._root, texts, self._errors(texts), places, refused)

    def _by_file(self, wanted: Sequence[NewAccount]) -> dict[str, list[NewAccount]]:
        """In a tenant's folder a new account gets a file of its own."""
        found: dict[str, list[NewAccount]] = {}
        for addition in wanted:
            files = self._loaded.units.get(addition.tenant)
            is_folder = files is not None and files.is_folder
            own = f"{addition.tenant}/{addition.account['id']}.yaml"
            found.setdefault(own if is_folder else f"{addition.tenant}.yaml", []).append(addition)
        return found

    def _text(self, file: str, addition: NewAccount) -> str:
        files = self._loaded.units.get(addition.tenant)
        document = next((d for d in files.documents if d.file == file), None) if files else None
        if document is None:
            if (self._root / file).exists():
                raise Invalid(f"{file} cannot be read; see: reconciler validate {self._root}")
            if files is not None and files.is_folder:
                return new_file(addition.tenant, depth=2)
            return new_file(None if addition.tenant == MAIN else addition.tenant, name=addition.tenant_name)
        if not document.usable:
            raise Invalid(f"{file} has errors already; see: reconciler validate {self._root}")
        return document.text.decode("utf-8")

    def _listed(self, file: str) -> list[Any]:
        documents = (d for files in self._loaded.units.values() for d in files.documents if d.file == file)
        data = next((d.data for d in documents), None) or {}
        return data.get("accounts") or []

    def _errors(self, texts: Mapping[str, str]) -> tuple[Finding, ...]:
        """The errors of the changed files, and those elsewhere that were not there before."""
        if not texts:
            return ()
        known = {_what(finding) for finding in self._judged(self._loaded) if finding.file not in texts}
        found = self._judged(with_texts(self._loaded, texts))
        return tuple(f for f in found if f.file in texts or _what(f) not in known)

    def _judged(self, loaded: Loaded) -> list[Finding]:
        findings = judge(self._root, loaded, self._registry).findings
        return [f for f in findings if f.severity is Severity.ERROR]


def _what(finding: Finding) -> tuple[str, str, str]:
    """What stays of a finding when lines move."""
    return finding.file, finding.code, finding.message


def secret_names(addition: NewAccount) -> list[str]:
    """The names of the secrets an account refers to, each once."""
    blocks = (block for block in addition.account.values() if isinstance(block, Mapping))
    named = (block.get("password") for block in blocks)
    return list(dict.fromkeys(str(p["secret"]) for p in named if isinstance(p, Mapping) and "secret" in p))
