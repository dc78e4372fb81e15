"""Where a revision comes from in Git, and which new head of a branch may be followed; runs no git."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit: its full hash, `Name <address>` of its author, and when it was committed."""

    id: str
    author: str
    committed_at: datetime


@dataclass(frozen=True, slots=True)
class Advance:
    """The step from the head that was followed last (None: none yet) to the branch's new head.

    `descends`: the old head is the new one or an ancestor of it. `rewrite_allowed`: a person has let exactly the new
    head pass. `unsigned` are commits of the step, the head included, without a valid signature; None: nobody asked.
    """

    old: str | None
    new: str
    descends: bool
    rewrite_allowed: bool
    unsigned: tuple[str, ...] | None

    @property
    def refusal(self) -> str | None:
        """Why the new head may not be followed, and what to do about it; None if it may.

        A descendant is asked for because a signature says who wrote a commit, not that it is the newest: an old signed
        commit, pushed by force, is as well signed as it was.
        """
        if self.unsigned:
            first, more = self.unsigned[0], len(self.unsigned) - 1
            others = f" and {more} more" if more else ""
            return (
                f"commit {first[:12]}{others} has no valid signature of an allowed signer, so {self.new[:12]} is not "
                "followed; sign it, or add its signer to --allowed-signers"
            )
        if self.old is not None and not self.descends and not self.rewrite_allowed:
            return (
                f"the branch was rewritten: {self.new[:12]} does not descend from {self.old[:12]}, which was followed "
                f"last; put the branch back, or run: reconciler accept-rewrite {self.new} --reason TEXT"
            )
        return None
