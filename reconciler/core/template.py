"""What a mail template may say and how it is filled in; not where templates are kept or which mail uses which.

A template is a subject and a text. It holds plain text, `{{ name }}`, `{% if %}` over names and fixed texts, and
`{% for line in name %}` over the lines of a text or the items of a list. Everything else is refused by looking at the
parsed tree, before anything runs: a tenant's file is data, not code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from reconciler.core.errors import Invalid
from reconciler.core.outgoing import one_line

MOST_OUTPUT_BYTES = 256 * 1024
MOST_SOURCE_CHARACTERS = 32 * 1024
MOST_LOOPS = 3
MOST_DEPTH = 12

_EVERYWHERE = {
    "case": "the number of the case",
    "subject": "the subject of the case, without Re: and Fwd:",
    "tenant_name": "the name the tenant shows to customers",
    "text": "what the agent or the external contact wrote",
    "quoted": "the customer's message, each line after '> '; empty if it is not to be quoted",
    "customer_name": "the customer's display name, or empty",
}
_WITHOUT_QUOTE = {name: meaning for name, meaning in _EVERYWHERE.items() if name != "quoted"}
_CONTACT = {"contact_name": "the external contact's display name, or empty"}
_INSIDE = {
    "agent": "the agent's address",
}
ALLOWED_NAMES: Mapping[str, Mapping[str, str]] = {
    # The customer does not learn who was asked: a relay has no word for the contact.
    "relay": _EVERYWHERE,
    "reply": _EVERYWHERE | _INSIDE,
    "forward": _EVERYWHERE | _INSIDE | _CONTACT,
    "inquiry": _EVERYWHERE | _INSIDE | _CONTACT,
    "reminder": _EVERYWHERE | _INSIDE | _CONTACT | {"asked_on": "the day the contact was asked, such as 2026-01-31"},
    "notice": _WITHOUT_QUOTE
    | {"rule": "the rule that asked for it", "customer": "the customer, as `Name <address>` or the address"},
    "agent": _WITHOUT_QUOTE | _INSIDE | _CONTACT | {"contact_address": "the address the answer came from"},
}
"""For each template the names it may use and what they hold; whoever renders it gives all of them."""


@dataclass(frozen=True, slots=True)
class TemplateSource:
    """A template as written."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A template filled in; the subject is one line."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What a template may not say. `line` counts from 1 inside the text; 0 is the subject."""

    line: int
    message: str


def parse_template(source_text: str) -> TemplateSource:
    """A template file: `Subject: …` on the first line, an empty line, the text. Raises Invalid for another shape."""
    first, _, rest = source_text.replace("\r\n", "\n").partition("\n")
    name, colon, subject = first.partition(":")
    blank, newline, text = rest.partition("\n")
    if not colon or name.strip().lower() != "subject" or blank.strip() or not newline:
        raise Invalid("a template file begins with a line `Subject: …` and an empty line; the text follows")
    return TemplateSource(subject.strip(), text)


def check(source: TemplateSource, template: str | None = None) -> tuple[Problem, ...]:
    """What in the source is not allowed in the template of that name (None: in any), in the order of the lines."""
    chosen = ALLOWED_NAMES.values() if template is None else [ALLOWED_NAMES[template]]
    names = frozenset(name for group in chosen for name in group)
    in_subject = [Problem(0, problem.message) for problem in _problems(source.subject, names)]
    in_text = sorted(_problems(source.text, names), key=lambda problem: problem.line)
    return (*in_subject, *in_text)


def render(source: TemplateSource, values: Mapping[str, object]) -> Rendered:
    """The template filled in with `values`: texts, numbers, or lists of texts.

    Raises Invalid for a source that `check` refuses, a name without value, or more than 256 KB.
    """
    if problems := check(source):
        raise Invalid("; ".join(f"template line {problem.line}: {problem.message}" for problem in problems))
    given = {name: _Lines(value) if isinstance(value, str) else value for name, value in values.items()}
    return Rendered(one_line(_filled(source.subject, given)), _filled(source.text, given))


class _Lines(str):
    """A text that `for` goes through line by line."""

    __slots__ = ()

    def __iter__(self) -> Iterator[str]:
        return iter(self.splitlines())


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.clear()
    return environment


@lru_cache(maxsize=256)
def _compiled(text: str) -> Template:
    return _environment().from_string(text)


def _filled(text: str, values: Mapping[str, object]) -> str:
    pieces: list[str] = []
    size = 0
    try:
        for piece in _compiled(text).generate(**values):
            size += len(piece.encode("utf-8", "replace"))
            if size > MOST_OUTPUT_BYTES:
                raise Invalid(f"the filled-in template is longer than {MOST_OUTPUT_BYTES // 1024} KB; shorten it")
            pieces.append(piece)
    except TemplateError as error:
        raise Invalid(f"the template cannot be filled in: {error.message}") from error
    return "".join(pieces)


def _problems(text: str, names: frozenset[str]) -> list[Problem]:
    if len(text) > MOST_SOURCE_CHARACTERS:
        return [Problem(1, f"the template is longer than {MOST_SOURCE_CHARACTERS} characters; shorten it")]
    try:
        tree = _environment().parse(text)
    except TemplateSyntaxError as error:
        return [Problem(error.lineno, f"this is not a template: {error.message}")]
    except (RecursionError, MemoryError, ValueError, OverflowError):
        return [Problem(1, "the template is nested too deeply or holds a number that is too long; simplify it")]
    loops = 0
    found: list[Problem] = []
    waiting: list[tuple[nodes.Node, frozenset[str], int]] = [(tree, names, 0)]
    while waiting:
        node, known, depth = waiting.pop()
        loops += isinstance(node, nodes.For)
        if depth > MOST_DEPTH:
            found.append(Problem(node.lineno, "this is nested too deeply; simplify it"))
            continue
        if isinstance(node, nodes.Output):
            # The node begins with the text before the first `{{`: its own line would mislead.
            calculated = [child for child in node.nodes if not isinstance(child, nodes.TemplateData | nodes.Name)]
            found += [Problem(child.lineno, "`{{ }}` may hold one name and nothing else") for child in calculated]
            waiting += [(child, known, depth + 1) for child in node.nodes if isinstance(child, nodes.Name)]
            continue
        if refused := _refused(node, known):
            found.append(Problem(node.lineno, refused))
            continue
        waiting += [(child, scope, depth + 1) for child, scope in _children(node, known)]
    if loops > MOST_LOOPS:
        found.append(Problem(1, f"there are more than {MOST_LOOPS} loops; remove some"))
    return found


def _children(node: nodes.Node, known: frozenset[str]) -> Iterator[tuple[nodes.Node, frozenset[str]]]:
    if not isinstance(node, nodes.For):
        yield from ((child, known) for child in node.iter_child_nodes())
        return
    yield node.iter, known
    inner = known | {node.target.name} if isinstance(node.target, nodes.Name) else known
    yield from ((child, inner) for child in node.body)


def _refused(node: nodes.Node, known: frozenset[str]) -> str | None:
    """Why the node may not stand in a template, None if it may."""
    match node:
        case nodes.Name(name=name):
            return None if name in known else f"`{name}` is no name of this template; use {', '.join(sorted(known))}"
        case nodes.For():
            return _refused_loop(node, known)
        case nodes.Compare():
            plain = all(isinstance(side, nodes.Name | nodes.Const) for side in (node.expr, *(o.expr for o in node.ops)))
            return None if plain else "compare a name with a text in quotes"
        case nodes.Operand(op=op):
            return None if op in ("eq", "ne") else "only == and != compare"
        case nodes.Const(value=value):
            return None if isinstance(value, str) else "compare with a text in quotes"
        case (
            nodes.Template()
            | nodes.Output()
            | nodes.TemplateData()
            | nodes.If()
            | nodes.And()
            | nodes.Or()
            | nodes.Not()
        ):
            return None
        case _:
            kind = type(node).__name__.lower()
            return f"`{kind}` is not allowed; a template holds text, names, if and for over a name"


def _refused_loop(loop: nodes.For, known: frozenset[str]) -> str | None:
    if not isinstance(loop.iter, nodes.Name) or not isinstance(loop.target, nodes.Name):
        return "a loop is `for item in name`"
    if loop.test is not None or loop.recursive or loop.else_:
        return "a loop has no condition, no else and is not recursive"
    if loop.target.name in known:
        return f"`{loop.target.name}` has a meaning already; give the loop's item another name"
    if next(loop.find_all(nodes.For), None) is not None:
        return "a loop may not stand inside a loop"
    return None
