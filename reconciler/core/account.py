"""Accounts and the files that hold them, as models: keys with their consequences; no rules that span accounts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints

from reconciler.core.endpoint import SmtpSettings
from reconciler.core.rule import Rule, RuleTest
from reconciler.core.secret import Slug
from reconciler.core.settings import Consequence, Duration, Frozen, Size, declared
from reconciler.core.tenant_settings import (
    Authentication,
    Escalation,
    HeldSettings,
    Hours,
    RelayPolicy,
    Retention,
    SubjectTags,
)

MAIN = "main"
"""The unit (and secret namespace) of the two main accounts; no tenant may have this name."""

_LINE = r"^[^\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]+$"
DisplayName = Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=_LINE)]
_DOMAIN = r"([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?$"
ADDRESS_PATTERN = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@" + _DOMAIN
"""An addr-spec as an account or contact may have it: RFC 5321 without quoted local parts and address literals."""

MailAddress = Annotated[str, StringConstraints(max_length=254, pattern=ADDRESS_PATTERN)]
Domain = Annotated[str, StringConstraints(max_length=253, pattern="^" + _DOMAIN)]


def _whole(value: object) -> object:
    """Refuse `true` and `1.0`, which Python takes for equal to 1."""
    if type(value) is not int:
        raise ValueError("write version: 1")
    return value


Version = Annotated[Literal[1], BeforeValidator(_whole)]
Weight = Annotated[int, Field(ge=1, le=100, strict=True)]


class AccountType(StrEnum):
    """What an account is for. `reply` and `second-level-reply` are the system accounts."""

    INBOUND = "inbound"
    REPLY = "reply"
    SECOND_LEVEL_REPLY = "second-level-reply"

    @property
    def is_system(self) -> bool:
        """True for the account types that take externals' answers."""
        return self is not AccountType.INBOUND


class RelayFrom(StrEnum):
    """Whose address a relayed answer carries: the inbound account's, or the reply account's with the tenant's name."""

    INBOUND = "inbound"
    REPLY_ACCOUNT = "reply-account"


class Subaddressing(StrEnum):
    """The delimiter the account's server takes between local part and token (RFC 5233), or `off`."""

    PLUS = "+"
    MINUS = "-"
    OFF = "off"


class Account(Frozen):
    """One technical mail account. The Registry adds a settings block per registered protocol."""

    id: Slug = declared(
        Consequence.COSMETIC, description="Stable identity inside the tenant; a rename says `moved_from`."
    )
    name: DisplayName = declared(Consequence.COSMETIC, description="Display name, free.")
    type: AccountType = declared(Consequence.REROUTE, description="`inbound`, `reply` or `second-level-reply`.")
    address: MailAddress = declared(Consequence.DRAIN, description="The address that is offered as reply address.")
    channel: Slug = declared(
        Consequence.REROUTE, "email", description="`email`; plug-ins may register others for inbound accounts."
    )
    enabled: bool = declared(
        Consequence.REROUTE, True, strict=True, description="A disabled account neither fetches nor serves."
    )
    default: bool = declared(
        Consequence.REROUTE,
        False,
        strict=True,
        description="The one that serves, where a tenant has several system accounts of a type.",
    )
    weight: Weight = declared(
        Consequence.RESCHEDULE, 3, description="Messages taken from the account in one step, 1 to 100."
    )
    bytes_per_day: Size | None = declared(
        Consequence.RESCHEDULE,
        None,
        description="Bytes fetched from the account in a day (UTC) at most: a number, or `500KB`, `2500MB`, `2GB`.",
    )
    messages_per_second: Annotated[float, Field(gt=0, le=1_000, strict=True, allow_inf_nan=False)] | None = declared(
        Consequence.RESCHEDULE, None, description="Messages fetched from the account in a second at most."
    )
    send_weight: Weight = declared(
        Consequence.RESCHEDULE, 3, description="Messages sent through the account in one step, 1 to 100."
    )
    poll: Duration = declared(
        Consequence.RESCHEDULE,
        timedelta(seconds=60),
        description="How long an account without backlog rests between two steps.",
    )
    protocol: Slug = declared(
        Consequence.RESYNC,
        description="`imap`, `pop3`, `maildir` or a plug-in's; its settings stand in the block of that name.",
    )
    smtp: SmtpSettings | None = declared(
        Consequence.REDIRECT, None, description="The submission server this account sends through."
    )
    send_from: Slug | None = declared(
        Consequence.REROUTE, None, description="Another account of the tenant through whose `smtp` this one sends."
    )
    sends_for: tuple[Domain, ...] = declared(
        Consequence.COSMETIC, (), description="Further domains this account's submission server may send for."
    )
    reply_via: Slug | None = declared(
        Consequence.REROUTE, None, description="Inbound: the reply account its forwards use."
    )
    second_level_via: Slug | None = declared(
        Consequence.REROUTE, None, description="Inbound: the second-level reply account its inquiries use."
    )
    relay_from: RelayFrom = declared(
        Consequence.REROUTE,
        RelayFrom.INBOUND,
        description="Inbound: From of a relayed answer, `inbound` or `reply-account`.",
    )
    subaddressing: Subaddressing = declared(
        Consequence.REROUTE,
        Subaddressing.OFF,
        description='`"+"`, `"-"` or `off`: whether the server delivers address+token here.',
    )
    settings: Mapping[str, Any] = declared(
        Consequence.RECONNECT, {}, description="Free mapping that plug-ins read; core ignores it."
    )
    protect: bool = declared(
        Consequence.COSMETIC,
        False,
        strict=True,
        description="Retiring needs an acknowledgement, even once the block is gone.",
    )
    moved_from: Annotated[str, StringConstraints(pattern=r"^([a-z0-9-]{1,40}/)?[a-z0-9-]{1,40}$")] | None = declared(
        Consequence.COSMETIC, None, description="The account's former id, when it was renamed."
    )
    retire_after: Duration = declared(
        Consequence.RESCHEDULE,
        timedelta(days=30),
        description="System accounts: how long a retired one still takes late answers.",
    )

    @property
    def block(self) -> BaseModel | None:
        """The settings block of the account's protocol; None if it is missing."""
        block = getattr(self, self.protocol, None)
        return block if isinstance(block, BaseModel) else None

    @property
    def address_identity(self) -> str:
        """The address in lower case without subaddress: two accounts may not share it."""
        return address_identity(self.address)

    @property
    def domain(self) -> str:
        """The lower-case domain of the address."""
        return self.address.rpartition("@")[2].lower()


def address_identity(address: str) -> str:
    """Lower-case address without subaddress (`Support+x@A.example` is `support@a.example`)."""
    local, _, domain = address.lower().rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


class TemplateText(Frozen):
    """One mail text of the tenant's own, in the allow-listed template subset."""

    subject: Annotated[str, StringConstraints(min_length=1, max_length=500)] = declared(
        Consequence.COSMETIC, description="One line."
    )
    text: Annotated[str, StringConstraints(min_length=1, max_length=20_000)] = declared(
        Consequence.COSMETIC, description="Plain text."
    )


class Reminders(Frozen):
    """When an external who has not answered is reminded."""

    after: Duration = declared(
        Consequence.RESCHEDULE, timedelta(days=2), description="First reminder this long after asking."
    )
    repeat: Duration = declared(
        Consequence.RESCHEDULE, timedelta(days=1), description="Then again after each such time."
    )
    max: Annotated[int, Field(ge=0, le=20, strict=True)] = declared(
        Consequence.RESCHEDULE, 3, description="At most so many."
    )


class AnswerFrom(StrEnum):
    """From whom an answer to a referral is accepted: the very address, its domain, or anybody with the token."""

    ADDRESS = "address"
    DOMAIN = "domain"
    ANY = "any"


class FurtherAnswers(StrEnum):
    """What happens to a second answer to a forward: relayed too, or held for a person."""

    RELAY = "relay"
    HOLD = "hold"


class ReferralSettings(Frozen):
    """How the tenant's referrals behave."""

    remind: Reminders | None = declared(
        Consequence.RESCHEDULE, None, description="Reminders by policy; none without this block."
    )
    answer_from: AnswerFrom = declared(
        Consequence.REROUTE,
        AnswerFrom.DOMAIN,
        description="`address`, `domain` (freemail domains count as `address`) or `any`.",
    )
    further_answers: FurtherAnswers = declared(
        Consequence.REROUTE, FurtherAnswers.HOLD, description="`relay` or `hold`."
    )
    further_window: Duration | None = declared(
        Consequence.REROUTE, None, description="With `relay`: only so long after the first answer."
    )
    expire_after: Duration = declared(
        Consequence.RESCHEDULE, timedelta(days=60), description="How long an answer is waited for."
    )
    escalate: Escalation | None = declared(
        Consequence.RESCHEDULE, None, description="Where a case goes whose external does not answer."
    )
    relay: RelayPolicy = declared(
        Consequence.REROUTE, RelayPolicy(), description="What of an answer goes on to the customer."
    )


class Document(Frozen):
    """What every unit's desired state has: its accounts."""

    version: Version = declared(Consequence.COSMETIC, description="The format of this file.")
    accounts: Annotated[tuple[Account, ...], Field(max_length=5_000)] = declared(
        Consequence.COSMETIC, (), description="The accounts."
    )
    authentication: Authentication | None = declared(
        Consequence.REROUTE, None, description="Whose Authentication-Results headers are believed."
    )

    def account(self, account_id: str) -> Account | None:
        """The account with this id, if there is one."""
        return next((a for a in self.accounts if a.id == account_id), None)


class TenantDocument(Document):
    """A tenant's desired state: one file, or a folder's files put together."""

    tenant: Slug = declared(
        Consequence.COSMETIC, description="The file's stem or the folder's name; `main` is reserved."
    )
    name: DisplayName | None = declared(
        Consequence.COSMETIC, None, description="Display name in mails; default: the tenant's key."
    )
    language: Literal["en", "de"] = declared(Consequence.COSMETIC, "en", description="Language of mail texts.")
    owners: Annotated[tuple[MailAddress, ...], Field(max_length=20)] = declared(
        Consequence.COSMETIC, (), description="Who is told what happened to this file."
    )
    templates: Mapping[Literal["agent", "forward", "inquiry", "notice", "relay", "reminder", "reply"], TemplateText] = (
        declared(Consequence.COSMETIC, {}, description="Mail texts of the tenant's own.")
    )
    referrals: ReferralSettings = declared(
        Consequence.RESCHEDULE, ReferralSettings(), description="Forwards and inquiries."
    )
    hours: Hours | None = declared(
        Consequence.RESCHEDULE, None, description="When reminders go out; without it at any time."
    )
    subject_tag: SubjectTags = declared(
        Consequence.COSMETIC, SubjectTags.OFF, description="`off`, `referrals` or `all`: signed tags in subjects."
    )
    held: HeldSettings = declared(Consequence.RESCHEDULE, HeldSettings(), description="How long held mails wait.")
    retention: Retention = declared(Consequence.DESTRUCTIVE, Retention(), description="How long texts are kept.")
    routing: Annotated[tuple[Rule, ...], Field(max_length=1_000)] = declared(
        Consequence.REROUTE, (), description="Rules; the first match wins."
    )
    tests: Annotated[tuple[RuleTest, ...], Field(max_length=1_000)] = declared(
        Consequence.COSMETIC, (), description="Mails and where the rules must send them; run by validate."
    )


class MainDocument(Document):
    """main.yaml: one reply and one second-level reply account that serve every tenant without its own."""


class TenantPart(Frozen):
    """A further file of a tenant that is a folder: accounts only."""

    version: Version = declared(Consequence.COSMETIC, description="The format of this file.")
    tenant: Slug = declared(Consequence.COSMETIC, description="The folder's name.")
    accounts: Annotated[tuple[Account, ...], Field(max_length=5_000)] = declared(
        Consequence.COSMETIC, (), description="The accounts."
    )
