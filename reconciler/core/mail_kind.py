"""The kinds a message may be, by name; how a mail shows its kind is known elsewhere."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What a message is; who may see it follows from it."""

    HUMAN = "human"
    NOTIFICATION = "notification"
    AUTO_REPLY = "auto_reply"
    BOUNCE = "bounce"
    RECEIPT = "receipt"
    FEEDBACK = "feedback"
    LIST = "list"
    BULK = "bulk"
    CALENDAR = "calendar"
    CHALLENGE = "challenge"
    LOOP = "loop"
