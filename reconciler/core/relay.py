"""What of an external contact's answer may reach the customer; not how the mail to the customer is written.

The contact stays unknown to the customer: quotes, signature, addresses and telling
file names go; files keep their bytes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from urllib.parse import unquote

from reconciler.core.address import Address
from reconciler.core.attachment import Attachment
from reconciler.core.message import Message
from reconciler.core.outgoing import strip_foreign_tokens
from reconciler.core.quoting import without_quotes
from reconciler.core.referral import FREEMAIL
from reconciler.core.signature import Signer, is_name, without_signature
from reconciler.core.tenant_settings import RelayPolicy, SignedAnswers

_ENCRYPTED_TYPES = frozenset(("multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"))
_INLINE_PGP = re.compile(r"^-----BEGIN PGP (?:SIGNED )?MESSAGE-----", re.MULTILINE)
_LEFT_OUT_TYPES = (
    "message/",
    "text/rfc822-headers",
    "text/vcard",
    "text/x-vcard",
    "text/directory",
    "application/pgp-",
    "application/pkcs7-",
    "application/x-pkcs7-",
    "application/ms-tnef",
    "application/vnd.ms-tnef",
    "application/vnd.ms-outlook",
)
_SEALED_TYPES = ("application/pgp-", "application/pkcs7-mime", "application/x-pkcs7-mime")
_LEFT_OUT_NAMES = (".vcf", ".eml", ".msg", ".p7s", ".p7m", "winmail.dat")

_LOCAL = r"[\w.!#$%&'*+/=?^`{|}~-]"
_AT = r"(?:@|%40|\s?[\[(](?:at|ät)[\])]\s?)"
# The look-behind keeps the work linear: an address is tried where a word begins, and nowhere inside it.
_ADDRESS = re.compile(
    rf"(?P<open>[<(\[]?)(?:mailto:|(?<!{_LOCAL}))(?P<address>{_LOCAL}{{1,80}}{_AT}[\w-](?:[\w.-]{{0,252}}\w)?)(?P<close>[>)\]]?)",
    re.IGNORECASE,
)
_ENTITIES = {"&#64;": "@", "&#x40;": "@", "&commat;": "@", "&#43;": "+", "&plus;": "+", "&#46;": ".", "&period;": "."}
_ENTITY = re.compile("|".join(_ENTITIES), re.IGNORECASE)
_BLANK_LINES = re.compile(r"\n[ \t]*\n(?:[ \t]*\n)+")
_EXTENSION = re.compile(r"\.[a-z0-9]{1,8}")


DEFAULT_POLICY = RelayPolicy()


class Refusal(StrEnum):
    """Why an answer is not relayed by itself; a person decides."""

    SIGNED_OR_ENCRYPTED = "signed-or-encrypted"
    EMPTY_ANSWER = "empty-answer"
    ATTACHMENTS = "attachments"


@dataclass(frozen=True, slots=True)
class RelayContent:
    """What goes to the customer. `omitted` says in words, for the case, which files were left out and why."""

    text: str
    attachments: tuple[Attachment, ...]
    omitted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RelayRefusal:
    """Nothing is to go to the customer by itself. `detail` says more than the reason, or nothing."""

    reason: Refusal
    detail: str = ""


class _Sealed(Enum):
    SIGNED = "signed"
    ENCRYPTED = "encrypted"


@dataclass(frozen=True, slots=True)
class _Identities:
    """Who must not be recognised: `addresses` as keys, `domains` of theirs alone, `words` of names and addresses."""

    addresses: frozenset[str]
    domains: frozenset[str]
    telling: frozenset[str]
    signer: Signer


def prepare(
    message: Message, contact: Address, internal: Sequence[str], policy: RelayPolicy = DEFAULT_POLICY
) -> RelayContent | RelayRefusal:
    """The part of the contact's answer that the customer gets under the tenant's policy, or why there is none.

    `internal` are addresses of ours that the customer must not see: system accounts and agents.
    """
    text = message.body.text
    sealed = _sealed(message)
    if (sealed is _Sealed.SIGNED and policy.signed is SignedAnswers.HOLD) or (
        sealed is _Sealed.ENCRYPTED and policy.encrypted is SignedAnswers.HOLD
    ):
        return RelayRefusal(Refusal.SIGNED_OR_ENCRYPTED, f"the answer is {sealed.value}")
    who = _identities(message, contact, internal)
    # Signatures are recognised by name and address, so these are taken out last.
    answer = _without_addresses(without_signature(without_quotes(text), who.signer), who)
    kept: list[Attachment] = []
    omitted: list[str] = []
    for attachment in message.body.attachments:
        if reason := _left_out(attachment, policy, is_encrypted=sealed is _Sealed.ENCRYPTED):
            omitted.append(f"{attachment.name} was not relayed: {reason}")
        else:
            kept.append(_anonymous(attachment, len(kept) + 1, who))
    size = sum(len(attachment.payload) for attachment in kept)
    if size > policy.most_bytes:
        return RelayRefusal(Refusal.ATTACHMENTS, f"{size} bytes of files are more than {policy.most_bytes}")
    if not answer and not kept:
        return RelayRefusal(Refusal.EMPTY_ANSWER)
    return RelayContent(answer, tuple(kept), tuple(omitted))


def _identities(message: Message, contact: Address, internal: Sequence[str]) -> _Identities:
    head = message.head
    # A colleague may answer for the contact.
    people = [contact, *([head.sender] if head.sender else []), *head.reply_to]
    ours = frozenset(Address("", address).key for address in internal)
    people = [person for person in people if person.key not in ours]
    names = frozenset(person.name.lower() for person in people if len(person.name) > 1)
    locals_ = frozenset(person.key.rpartition("@")[0] for person in people)
    words = frozenset(word for text in (*names, *locals_) for word in re.findall(r"[^\W\d_]{2,}", text))
    domains = frozenset(person.domain for person in people) - FREEMAIL - {""}
    addresses = frozenset(person.key for person in people)
    labels = frozenset(label for domain in domains for label in domain.split(".")[:-1] if len(label) > 3)
    return _Identities(
        addresses=addresses | ours,
        domains=domains,
        telling=frozenset(map(_plain, words | locals_ | labels | frozenset(person.domain for person in people))) - {""},
        signer=Signer(names, words, addresses | domains),
    )


def _without_addresses(text: str, who: _Identities) -> str:
    plain = _ENTITY.sub(lambda entity: _ENTITIES[entity[0].lower()], strip_foreign_tokens(text, frozenset()))
    shown = _ADDRESS.sub(lambda found: _shown(found, who), strip_foreign_tokens(plain, frozenset()))
    lines = [line.rstrip() for line in shown.split("\n")]
    named = [line for line in lines if not is_name(line, who.signer)]
    return _BLANK_LINES.sub("\n\n", "\n".join(named)).strip()


def _shown(found: re.Match[str], who: _Identities) -> str:
    """The match as it may stay: whole if the address is nobody's who must not be known."""
    if not _is_theirs(found["address"], who):
        return found[0]
    pair = found["open"] + found["close"]
    return "" if pair in ("", "<>", "()", "[]") else pair


def _is_theirs(written: str, who: _Identities) -> bool:
    address = re.sub(r"\s?[\[(](?:at|ät)[\])]\s?", "@", unquote(written).lower()).rstrip(".-")
    local, _, domain = address.rpartition("@")
    if any(domain == theirs or domain.endswith(f".{theirs}") for theirs in who.domains):
        return True
    # Signs that may stand in a local part often stand before an address in a sentence or a link.
    starts = [0, *(sign.end() for sign in re.finditer(r"[^\w.+-]+|^[.+-]+", local))]
    return any(Address("", f"{local[start:]}@{domain}").key in who.addresses for start in starts)


def _sealed(message: Message) -> _Sealed | None:
    """How the answer is sealed; None if it is not."""
    types = [content_type.partition(";")[0].strip() for content_type in message.body.content_types]
    if not _ENCRYPTED_TYPES.isdisjoint(types):
        return _Sealed.ENCRYPTED
    inline = _INLINE_PGP.search(message.body.text)
    if inline:
        return _Sealed.SIGNED if "SIGNED" in inline[0] else _Sealed.ENCRYPTED
    return _Sealed.SIGNED if types[:1] == ["multipart/signed"] else None


def _left_out(attachment: Attachment, policy: RelayPolicy, *, is_encrypted: bool) -> str | None:
    """Why the customer does not get the file, None if it goes along."""
    if not policy.attachments:
        return "files are not relayed here"
    group = attachment.content_type.partition("/")[0]
    if attachment.content_type in policy.refused_types or f"{group}/*" in policy.refused_types:
        return f"files of type {attachment.content_type} are not relayed here"
    if is_encrypted and attachment.content_type.startswith(_SEALED_TYPES):
        return None
    if attachment.content_type.startswith(_LEFT_OUT_TYPES) or attachment.name.lower().endswith(_LEFT_OUT_NAMES):
        return f"a file of type {attachment.content_type} says who wrote it"
    if attachment.inline and attachment.content_type.startswith("text/"):
        return "it is a text shown inside the mail, not a file beside it"
    return None


def _anonymous(attachment: Attachment, number: int, who: _Identities) -> Attachment:
    name = strip_foreign_tokens(attachment.name, frozenset())
    if _tells(name, who):
        extension = _EXTENSION.search(name.lower(), max(name.rfind("."), 0))
        ending = extension[0] if extension and not _tells(extension[0], who) else ""
        name = f"attachment-{number}{ending}"
    return replace(attachment, name=name, inline=False, content_id=None)


def _tells(name: str, who: _Identities) -> bool:
    plain = _plain(unquote(name))
    words = frozenset(re.findall(r"[^\W_]+", plain))
    return any(word in words if len(word) < 3 else word in plain for word in who.telling)


def _plain(text: str) -> str:
    """The text without case and accents, to compare names as file systems and people write them."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))
