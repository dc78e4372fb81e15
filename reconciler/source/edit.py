"""Adds accounts to the text of an account file and leaves every other character as it is; judges nothing.

A person's file keeps its comments, blank lines, quotes and alignment because it is not written anew: the place of the
accounts is taken from the parser's marks, and the new ones are put in there in the file's own style.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from reconciler.core.errors import Invalid
from reconciler.source.yaml_parser import (
    CParser,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from reconciler.source.yaml_reader import read_yaml

_BYTE_ORDER_MARK = "\ufeff"
_ANY_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
_COMMENT = re.compile(r"( *)#.*(?:\r\n|\n|$)")
_NEVER_WRAPPED = 1 << 20


def new_file(tenant: str | None, *, name: str | None = None, depth: int = 1) -> str:
    """The text of a tenant's new file without accounts; None: of main.yaml. `depth`: how many folders it is in."""
    schema = f"{'../' * depth}schemas/{'tenant' if tenant else 'main'}.schema.json"
    keys = {"tenant": tenant, "name": name}
    lines = "".join(f"{key}: {_scalar(value)}\n" for key, value in keys.items() if value is not None)
    return f"# yaml-language-server: $schema={schema}\nversion: 1\n{lines}accounts: []\n"


def with_accounts(text: str, file: str, accounts: Sequence[Mapping[str, Any]]) -> str:
    """The text with these accounts behind those it has. `file` names it in errors.

    Raises Invalid if the text cannot be read as an account file, or has a form in which they have no safe place.
    """
    before = _values(text, file)
    written = _plain(accounts)
    edited = text
    for account in accounts:
        edited = _with_account(edited, account)
    after = _values(edited, file)
    listed = before.get("accounts") or []
    if after != {**before, "accounts": [*listed, *written]}:
        raise Invalid(f"{file}: its accounts are written in a form that is not edited by a program; add it by hand")
    return edited


def _values(text: str, file: str) -> dict[str, Any]:
    document = read_yaml(text.encode("utf-8"), file)
    if not document.usable or document.findings:
        problem = document.findings[0]
        raise Invalid(f"{file}:{problem.line}:{problem.column}: {problem.message}; mend the file first")
    values: dict[str, Any] = document.data
    if not isinstance(values.get("accounts") or [], list):
        raise Invalid(f"{file}: `accounts` is no list; mend the file first")
    return values


def _plain(accounts: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The accounts as the reader will give them back."""
    text = new_file("x").replace("[]", "\n") + "".join(_block(account, 2, 2, "\n") for account in accounts)
    values: list[Any] = read_yaml(text.encode("utf-8"), "").data["accounts"]
    if values != [dict(account) for account in accounts]:
        raise Invalid("a value cannot be written as YAML that reads back as the same")
    return values


@dataclass(slots=True)
class _Node:
    """A value of the text: where it begins and what it holds, keys and values of a map in turn.

    `end` is behind its last character; of a block list or map, behind that of its last value.
    """

    start: int
    end: int
    column: int
    is_flow: bool = False
    scalar: str | None = None
    inner: list[_Node] = field(default_factory=list)

    def value(self, key: str) -> _Node | None:
        """The value of a key of a map."""
        pairs = zip(self.inner[::2], self.inner[1::2], strict=True)
        return next((value for name, value in pairs if name.scalar == key), None)


def _tree(text: str) -> _Node:
    """The nodes of a readable text; positions are those of its characters."""
    root = _Node(0, 0, 0)
    open_nodes, parser = [root], CParser(text.encode("utf-8"))
    while (event := parser.get_event()) is not None:
        kind = type(event)
        if kind in (MappingEndEvent, SequenceEndEvent):
            closed = open_nodes.pop()
            closed.end = event.end_mark.index if closed.is_flow else closed.inner[-1].end
        elif kind in (ScalarEvent, MappingStartEvent, SequenceStartEvent):
            node = _Node(event.start_mark.index, event.end_mark.index, event.start_mark.column)
            open_nodes[-1].inner.append(node)
            if kind is ScalarEvent:
                node.scalar = event.value
            else:
                node.is_flow = bool(event.flow_style)
                open_nodes.append(node)
    return root.inner[0]


def _with_account(text: str, account: Mapping[str, Any]) -> str:
    mark = _BYTE_ORDER_MARK if text.startswith(_BYTE_ORDER_MARK) else ""
    body = text.removeprefix(mark)
    root = _tree(body)
    accounts = root.value("accounts")
    if accounts is None:
        return mark + _with_key(body, root, account)
    return mark + _with_item(body, root, accounts, account)


def _with_key(text: str, root: _Node, account: Mapping[str, Any]) -> str:
    if root.is_flow:
        return f'{text[: root.end - 1].rstrip()}, "accounts": [{_flow(account)}]{text[root.end - 1 :]}'
    line_end = _line_end(text)
    head = text if _ANY_BREAK.match(text[-1]) else text + line_end
    return f"{head}accounts:{line_end}{_block(account, 2, 2, line_end)}"


def _with_item(text: str, root: _Node, accounts: _Node, account: Mapping[str, Any]) -> str:
    line_end, last = _line_end(text), accounts.inner[-1] if accounts.inner else None
    if last is None and not root.is_flow and _ANY_BREAK.search(text[accounts.start : accounts.end]) is None:
        # An empty list becomes a list of lines; what stands behind it on its line stays there.
        head = text[: accounts.start].rstrip(" ")
        return _with_lines(head + text[accounts.end :], len(head), _block(account, 2, 2, line_end))
    if accounts.is_flow:
        at, comma = (last.end, ", ") if last is not None else (accounts.end - 1, "")
        return f"{text[:at]}{comma}{_flow(account)}{text[at:]}"
    if last is None:
        return text
    block = _block(account, accounts.column, max(last.column - accounts.column, 2), line_end)
    if len(accounts.inner) < 2 or _blank_line_before(text, last.start):
        block = line_end + block
    return _with_lines(text, accounts.end, block, deeper_than=accounts.column)


def _with_lines(text: str, after: int, block: str, *, deeper_than: int | None = None) -> str:
    """Put the block behind the line that `after` is on, and behind comments that follow it and stand deeper."""
    # A block scalar ends where the next line begins.
    found = _ANY_BREAK.search(text, after - 1 if _ANY_BREAK.match(text[after - 1]) else after)
    if found is None:
        return text + _line_end(text) + block
    at = found.end()
    while deeper_than is not None and (comment := _COMMENT.match(text, at)) and len(comment[1]) > deeper_than:
        at = comment.end()
    return text[:at] + block + text[at:]


def _blank_line_before(text: str, position: int) -> bool:
    """Whether an empty line stands above the item at this position, or above its comments."""
    lines = text[:position].splitlines()[:-1]
    while lines and lines[-1].lstrip().startswith("#"):
        lines.pop()
    return bool(lines) and not lines[-1].strip()


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _block(account: Mapping[str, Any], column: int, inner: int, line_end: str) -> str:
    """The account as lines of a block list whose dashes stand in this column."""
    lines = _dumped(_styled(account, is_flow=False)).splitlines()
    first, rest = " " * column + "-".ljust(inner), " " * (column + inner)
    return "".join((rest if i else first) + line + line_end for i, line in enumerate(lines))


def _flow(account: Mapping[str, Any]) -> str:
    """The account on one line, in braces."""
    return _dumped(_styled(account, is_flow=True)).strip()


def _styled(value: Any, *, is_flow: bool) -> Any:
    """Maps inside an account stand on one line, as people write `imap: {…}`."""
    if isinstance(value, Mapping):
        made: Any = CommentedMap((key, _styled(inner, is_flow=True)) for key, inner in value.items())
    elif isinstance(value, list | tuple):
        made = CommentedSeq(_styled(inner, is_flow=True) for inner in value)
    else:
        return value
    if is_flow:
        made.fa.set_flow_style()
    return made


def _scalar(value: str) -> str:
    return _dumped(CommentedMap(x=value)).removeprefix("x:").strip()


def _dumped(value: Any) -> str:
    yaml, out = YAML(), io.StringIO()
    yaml.width = _NEVER_WRAPPED
    yaml.allow_unicode = True
    yaml.dump(value, out)
    return out.getvalue()
