"""How well an account is: conditions with reasons, and the errors doors raise that carry one."""

from __future__ import annotations

from enum import StrEnum

from reconciler.core.errors import Permanent, Temporary


class Condition(StrEnum):
    """What is wrong with an account's mail server, one word an operator can look up in docs/reference.md."""

    OK = "Ok"
    SECRET_MISSING = "SecretMissing"
    UNREACHABLE = "Unreachable"
    TIMED_OUT = "TimedOut"
    TLS_FAILED = "TlsFailed"
    AUTH_FAILED = "AuthFailed"
    THROTTLED = "Throttled"
    FOLDER_MISSING = "FolderMissing"
    ACKNOWLEDGE_REFUSED = "AcknowledgeRefused"
    MAIL_TOO_LARGE = "MailTooLarge"
    MAIL_NOT_STORED = "MailNotStored"
    PROTOCOL_ERROR = "ProtocolError"
    RESYNC_NEEDS_DECISION = "ResyncNeedsDecision"
    LATE = "Late"
    STORE_UNWELL = "StoreUnwell"


class Trouble(Temporary):
    """A mail server that may be well again later; `condition` names the trouble."""

    def __init__(self, condition: Condition, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.condition = condition


class Refused(Permanent):
    """A mail server that will keep refusing until a person changes something; `condition` names what."""

    def __init__(self, condition: Condition, message: str) -> None:
        super().__init__(message)
        self.condition = condition


def condition_of(error: Exception, otherwise: Condition = Condition.UNREACHABLE) -> Condition:
    """The condition that an error stands for; `otherwise` if it names none."""
    return error.condition if isinstance(error, Trouble | Refused) else otherwise
