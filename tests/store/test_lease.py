"""One writer at a time, and how the next one gets its turn."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from reconciler.core.errors import ExitCode, Unavailable
from reconciler.store.database import Store
from reconciler.store.lease import LASTING, Right, take
from reconciler.store.tables import leases
from tests.states import NOW

LATER = NOW + LASTING + timedelta(seconds=1)


def rewrite(store: Store, **values: Any) -> None:
    with store.write() as connection:
        connection.execute(update(leases).values(**values))


@pytest.mark.field("two at once")
def test_a_held_lease_is_refused_with_its_holders_name(store: Store) -> None:
    with (
        take(store, Right.APPLY, "run", NOW),
        pytest.raises(Unavailable, match=rf"run \(pid {os.getpid()} on ") as caught,
    ):
        take(store, Right.APPLY, "apply", NOW)
    assert caught.value.exit_code is ExitCode.UNAVAILABLE


def test_a_released_lease_is_free_and_the_fence_grows(store: Store) -> None:
    with take(store, Right.APPLY, "run", NOW) as first:
        pass
    with take(store, Right.APPLY, "apply", NOW) as second:
        assert second.fence == first.fence + 1


def test_an_error_releases_it(store: Store) -> None:
    with pytest.raises(KeyError), take(store, Right.APPLY, "run", NOW):
        raise KeyError
    take(store, Right.APPLY, "apply", NOW).release()


def test_a_holder_on_this_machine_whose_process_is_gone_is_replaced_at_once(store: Store) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    take(store, Right.APPLY, "run", NOW)
    rewrite(store, pid=process.pid)
    assert take(store, Right.APPLY, "apply", NOW).fence == 2


def test_a_zombie_holds_nothing(store: Store) -> None:
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        take(store, Right.APPLY, "run", NOW)
        rewrite(store, pid=process.pid)
        assert take(store, Right.APPLY, "apply", NOW).fence == 2


def test_another_process_with_the_holders_number_is_not_the_holder(store: Store) -> None:
    take(store, Right.APPLY, "run", NOW)
    rewrite(store, process_start="1")
    assert take(store, Right.APPLY, "apply", NOW).fence == 2


def test_a_holder_on_another_machine_is_replaced_only_after_its_lease_expired(store: Store) -> None:
    take(store, Right.APPLY, "run", NOW)
    rewrite(store, host="elsewhere", pid=1, process_start="1")
    with pytest.raises(Unavailable, match="on elsewhere"):
        take(store, Right.APPLY, "apply", NOW + LASTING - timedelta(seconds=1))
    assert take(store, Right.APPLY, "apply", LATER).fence == 2


def test_a_renewed_lease_lasts_longer(store: Store) -> None:
    lease = take(store, Right.APPLY, "run", NOW)
    lease.renew(NOW + timedelta(seconds=20))
    with pytest.raises(Unavailable):
        take(store, Right.APPLY, "apply", LATER)


def test_a_holder_who_was_replaced_can_neither_renew_nor_write_nor_release(store: Store) -> None:
    lost = take(store, Right.APPLY, "run", NOW)
    take(store, Right.APPLY, "apply", LATER)
    with pytest.raises(Unavailable, match="run lost the writer lease"):
        lost.renew(LATER)
    with pytest.raises(Unavailable), store.write() as connection:
        lost.verify(connection)
    lost.release()
    with store.read() as connection:
        assert connection.execute(select(leases.c.holder, leases.c.expires_at)).one() == ("apply", LATER + LASTING)
