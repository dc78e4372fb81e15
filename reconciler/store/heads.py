"""Remembers which head of a branch was followed last, and which rewrites people have let pass; knows no git."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from reconciler.store.oversight_tables import heads, rewrites


def read_head(connection: Connection, source: str) -> str | None:
    """The commit that was followed last of this source; None if none was."""
    return connection.execute(select(heads.c.commit).where(heads.c.source == source)).scalar_one_or_none()


def rewrite_allowed(connection: Connection, commit: str) -> bool:
    """Whether a person has let exactly this commit pass, and it has not passed yet."""
    query = select(rewrites.c.id).where(rewrites.c.commit == commit, rewrites.c.used_at.is_(None))
    return connection.execute(query.limit(1)).first() is not None


def allow_rewrite(connection: Connection, commit: str, reason: str, by: str, now: datetime) -> None:
    """Let a commit pass, once, that does not descend from the head that was followed last."""
    connection.execute(insert(rewrites).values(commit=commit, reason=reason, by=by, at=now))


def follow(connection: Connection, source: str, commit: str, now: datetime) -> None:
    """From now on this is the head that the next one has to descend from; what let it pass is used up."""
    connection.execute(delete(heads).where(heads.c.source == source))
    connection.execute(insert(heads).values(source=source, commit=commit, at=now))
    used = update(rewrites).where(rewrites.c.commit == commit, rewrites.c.used_at.is_(None))
    connection.execute(used.values(used_at=now))
