"""Writes an account file in one style, comments and order kept; judges nothing.

The style: two spaces per level, lists two deeper than their key, one space after a colon, LF, no byte order mark, no
blanks at the ends of lines. Quotes, flow and block forms stay as they were written.
"""

from __future__ import annotations

import io
import re

from ruamel.yaml import YAML

from reconciler.core.errors import Invalid
from reconciler.source.yaml_reader import read_yaml

_BYTE_ORDER_MARK = "\ufeff"
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*$", re.MULTILINE)
_BLANKS = re.compile(r"[ \t]+$", re.MULTILINE)
_NEVER_WRAPPED = 1 << 20


def formatted(data: bytes, file: str) -> str:
    """The text of an account file in the one style; formatting it again changes nothing. `file` names it in errors.

    Raises Invalid if the file cannot be read, or has a form of which a value or a comment would be lost.
    """
    _check(data, file)
    source = data.decode("utf-8").removeprefix(_BYTE_ORDER_MARK).replace("\r\n", "\n")
    try:
        text = _written(source)
        again = _written(text)
    except Exception as error:
        # The parser is fed with anything at all: whatever it raises is about this file, never about the program.
        raise _unsafe(file) from error
    if again != text or _comments(text) != _comments(source) or not _same(text, source):
        raise _unsafe(file)
    return text


def _unsafe(file: str) -> Invalid:
    mend = "move comments out of braces and brackets"
    return Invalid(f"{file}: formatting would lose a part of it, so it stays as it is; {mend}")


def _check(data: bytes, file: str) -> None:
    document = read_yaml(data, file)
    if not document.usable or document.findings:
        problem = document.findings[0]
        raise Invalid(f"{file}:{problem.line}:{problem.column}: {problem.code} {problem.message}; mend the file first")


def _comments(text: str) -> list[str]:
    """The comments in their order; a `#` in a block of text counts too, as it has to stay as well."""
    return [comment.rstrip() for comment in _COMMENT.findall(text)]


def _written(text: str) -> str:
    yaml, out = YAML(), io.StringIO()
    yaml.preserve_quotes = True
    yaml.allow_unicode = True
    yaml.width = _NEVER_WRAPPED
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(yaml.load(text), out)
    plain = out.getvalue()
    tidy = _aligned(_BLANKS.sub("", plain).rstrip("\n") + "\n")
    # In a block of text a blank at a line's end, or how deep a `#` stands, is a part of the value.
    return tidy if _same(tidy, plain) else plain


def _same(one: str, other: str) -> bool:
    """Whether both hold the same values; as texts, because 1 == True == 1.0 and the order of keys counts."""
    first, second = read_yaml(one.encode(), ""), read_yaml(other.encode(), "")
    return first.usable and second.usable and repr(first.data) == repr(second.data)


def _aligned(text: str) -> str:
    """Comments of their own line go as deep as what they stand above, and never less deep than they were: what
    closes a list, such as an item commented out, stays with that list."""
    depth, lines = 0, []
    for line in reversed(text.splitlines(keepends=True)):
        content = line.lstrip(" ")
        own = len(line) - len(content)
        if content.startswith("#"):
            line = " " * max(own, depth) + content
        elif content.strip():
            depth = own
        lines.append(line)
    return "".join(reversed(lines))
