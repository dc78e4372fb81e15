"""What loops tell of themselves while they go round; what becomes of it is the listener's business."""

from __future__ import annotations

from reconciler.core.fetch import StepLine
from reconciler.core.heartbeat import Loop
from reconciler.core.outbox import DeliveryLine


class Observer:
    """Listens to nothing: the base of those that listen to something. Every method may be called from any thread."""

    def beat(self, loop: Loop) -> None:
        """The loop goes round."""

    def ended(self, loop: Loop) -> None:
        """The loop is over and beats no more."""

    def stepped(self, line: StepLine) -> None:
        """A fetch step ended."""

    def routed(self, action: str, kind: str) -> None:
        """A mail was decided and that was written."""

    def sent(self, line: DeliveryLine) -> None:
        """A try to send ended."""

    def looked(self, outcome: str) -> None:
        """The accounts folder was looked at: `ok`, `unavailable`, `refused` or `failed`."""

    def committed(self, pieces: int, seconds: float) -> None:
        """The writer committed so many pieces of work, or failed to."""


UNOBSERVED = Observer()
