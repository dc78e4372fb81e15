"""What the operators of a running system may tune, by environment variables; not what tenants may write."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class RunSettings(BaseSettings):
    """Limits and intervals in seconds and bytes; each is `RECONCILER_` and the field's name in capitals."""

    model_config = SettingsConfigDict(env_prefix="RECONCILER_", frozen=True)

    poll_seconds: float = Field(
        5.0, gt=0, description="How often the accounts folder is looked at, whatever events say."
    )
    watch_events: bool = Field(True, description="Whether file events shorten the wait for the next look.")
    git_poll_seconds: float = Field(30.0, gt=0, description="How often a branch is fetched; SIGHUP fetches at once.")
    git_seconds: float = Field(120.0, gt=0, description="Time for one call of git, a fetch included.")
    settle_seconds: float = Field(2.0, ge=0, description="A file younger than this that fails is settling, not held.")
    connect_seconds: float = Field(10.0, gt=0, description="Time to connect, TLS and greeting included.")
    command_seconds: float = Field(30.0, gt=0, description="Time for one answer of a mail server.")
    step_seconds: float = Field(60.0, gt=0, description="Deadline of a step; what is stored by then counts.")
    late_seconds: float = Field(1.0, gt=0, description="After this a step is late and the next cycle opens without it.")
    retry_seconds: float = Field(
        900.0, gt=0, description="The longest rest after failures; a server that asks for a longer one gets it."
    )
    door: Literal["thread", "fast"] = Field(
        "fast", description="How protocols are served that can be: all by one loop, or a thread a step."
    )
    slots: int = Field(32, ge=1, description="Steps at a time that have a thread of their own.")
    fast_slots: int = Field(256, ge=1, description="Steps at a time that the loop serves.")
    connections: int = Field(2000, ge=1, description="Connections the loop keeps open; the longest resting makes room.")
    host_connections: int = Field(1000, ge=1, description="Connections the loop keeps open to one mail server.")
    logins: int = Field(16, ge=1, description="Logins at a time at a mail server that has let an account in before.")
    unproven_logins: int = Field(4, ge=1, description="Logins at a time at any other mail server.")
    flight_bytes: int = Field(
        32 << 20, ge=1, description="Bytes fetched and not yet stored; a larger mail always fits."
    )
    late_slots: int = Field(64, ge=1, description="Late steps beside them.")
    step_bytes: int = Field(64 << 20, ge=1, description="Bytes a step takes at most; its first mail always fits.")
    mail_bytes: int = Field(50 << 20, ge=1, description="A larger mail stays on the server and is reported.")
    route_seconds: float = Field(10.0, gt=0, description="Time to read and decide one mail.")
    remind_seconds: float = Field(60.0, gt=0, description="How often waiting referrals are looked at.")
    send_seconds: float = Field(1.0, gt=0, description="How often the outbox is looked at.")
    send_connections: int = Field(
        16, ge=1, description="Connections to submission servers at a time; late steps have theirs beside them."
    )
    send_idle_seconds: float = Field(15.0, ge=0, description="How long such a connection is kept for the next step.")
    now_seconds: float = Field(
        10.0, gt=0, description="How long `fetch --now` waits for the running process to take it up."
    )
    watchdog_seconds: float = Field(600.0, gt=0, description="A loop silent for longer is stuck; the process ends.")
