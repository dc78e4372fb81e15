"""A branch is followed commit by commit: what may not pass changes nothing, and what runs goes on without Git."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.core.commit import Commit
from reconciler.core.revision import AppliedState
from reconciler.runtime.following import FollowedBranch
from reconciler.runtime.observer import Observer
from reconciler.runtime.reconcile import ReconcileLoop, Source
from reconciler.source.git import Branch, Mirror
from reconciler.source.git_program import Remote
from reconciler.source.watch import Watcher
from reconciler.store.applied import commit_of, history, read_applied
from reconciler.store.database import Store, open_store
from reconciler.store.heads import allow_rewrite, read_head
from reconciler.store.lease import Lease, Right, take
from tests.repositories import Repository
from tests.states import NOW, REGISTRY, account


class Outcomes(Observer):
    """Remembers how each look ended."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def looked(self, outcome: str) -> None:
        self.seen.append(outcome)


@dataclass
class Following:
    """A reconciler's loop over a branch, looked at by hand; `seconds` is its clock."""

    repository: Repository
    store: Store
    lease: Lease
    folder: Path
    signers: Path | None = None
    seconds: float = 0.0
    applied: int = 0
    outcomes: Outcomes = field(default_factory=Outcomes)

    def start(self) -> None:
        """Start anew, as a new process would."""
        remote = Remote.parse(self.repository.url)
        self.mirror = Mirror(Branch(remote, "main", "accounts.d", self.folder / "mirror.git", self.signers))
        self.place = FollowedBranch(self.mirror, self.store, self.lease, 30.0, lambda: NOW, lambda: self.seconds)
        source = Source(
            self.place, self.store, REGISTRY, self.lease, lambda _unit, _name: True, lambda: NOW, timedelta(seconds=2)
        )
        self.loop = ReconcileLoop(source, Watcher(None, 5.0), self._applied, self.outcomes)

    def _applied(self, _state: AppliedState) -> None:
        self.applied += 1

    def look(self) -> str:
        """One look when the branch is due; how it ended."""
        self.seconds += 30
        self.loop.look()
        return self.outcomes.seen[-1]

    @property
    def state(self) -> AppliedState:
        with self.store.read() as connection:
            return read_applied(connection, REGISTRY)

    @property
    def head(self) -> str | None:
        with self.store.read() as connection:
            return read_head(connection, str(self.mirror))

    def commit_of(self, unit: str) -> Commit | None:
        with self.store.read() as connection:
            return commit_of(connection, self.state.units[unit].revision)

    def allow(self, commit: str) -> None:
        with self.store.write() as connection:
            allow_rewrite(connection, commit, "restored from a backup", "ada", NOW)

    def adds(self, unit: str, *, key: str | None = None) -> str:
        """Commit one more tenant."""
        self.repository.write(unit, account(f"{unit}-in"))
        return self.repository.commit(f"Add {unit}", key=key)


@pytest.fixture
def following(tmp_path: Path) -> Iterator[Following]:
    """A branch whose first commit (main, acme) is applied."""
    repository = Repository(tmp_path)
    repository.commit("Begin")
    store = open_store(f"sqlite:///{tmp_path}/state.db", create=True)
    with take(store, Right.APPLY, "test", NOW, lasting=timedelta(days=1)) as lease:
        made = Following(repository, store, lease, tmp_path)
        made.start()
        assert made.look() == "ok"
        assert set(made.state.units) == {"main", "acme"}
        yield made
    store.close()


def test_a_commit_is_applied_with_its_provenance(following: Following) -> None:
    head = following.adds("globex")
    assert following.look() == "ok"
    assert set(following.state.units) == {"main", "acme", "globex"}
    found = following.commit_of("globex")
    assert found is not None
    assert (found.id, found.author) == (head, "Ada Admin <ada@acme.example>")
    with following.store.read() as connection:
        newest = history(connection, None)[0]
    assert (newest.commit, newest.author, newest.source) == (head, found.author, str(following.mirror))
    assert newest.committed_at == found.committed_at


def test_the_branch_is_fetched_in_time_and_at_once_when_asked(following: Following) -> None:
    following.adds("globex")
    following.loop.look()
    assert "globex" not in following.state.units
    following.place.renew()
    following.loop.look()
    assert "globex" in following.state.units


def test_what_stands_in_the_work_tree_alone_is_not_applied(following: Following) -> None:
    following.repository.write("globex", account("in"))
    assert following.look() == "ok"
    assert "globex" not in following.state.units


@pytest.mark.field("one bad file")
def test_a_bad_tenant_is_held_at_its_commit_and_its_neighbours_advance(following: Following) -> None:
    first = following.head
    following.repository.write_text("acme.yaml", "version: 1\ntenant: acme\nsurplus: 1\n")
    following.adds("globex")
    assert following.look() == "ok"
    found = following.commit_of("acme")
    assert found is not None
    assert found.id == first
    assert "globex" in following.state.units


@pytest.mark.field("force-push")
def test_a_rewritten_branch_is_refused_and_what_runs_goes_on(following: Following) -> None:
    first = following.head
    assert first is not None
    second = following.adds("globex")
    following.look()
    following.repository.back_to(first)
    assert following.look() == "refused"
    assert following.head == second
    assert "globex" in following.state.units
    assert following.look() == "refused"


@pytest.mark.field("back again")
def test_a_branch_that_was_put_back_is_followed_again(following: Following) -> None:
    first = following.head
    assert first is not None
    second = following.adds("globex")
    following.look()
    following.repository.back_to(first)
    assert following.look() == "refused"
    following.repository.back_to(second)
    following.adds("initech")
    assert following.look() == "ok"
    assert "initech" in following.state.units


def test_exactly_the_accepted_commit_passes_and_only_once(following: Following) -> None:
    first = following.head
    assert first is not None
    following.adds("globex")
    following.look()
    following.repository.back_to(first)
    other = following.adds("initech")
    following.allow(first)
    assert following.look() == "refused"
    following.allow(other)
    assert following.look() == "ok"
    assert following.head == other
    following.adds("hooli")
    following.look()
    following.repository.back_to(other)
    assert following.look() == "refused"


def test_a_rewrite_is_refused_by_a_process_that_has_just_started(following: Following) -> None:
    first = following.head
    assert first is not None
    following.adds("globex")
    following.look()
    following.repository.back_to(first)
    following.start()
    assert following.look() == "refused"
    assert "globex" in following.state.units


@pytest.mark.field("replayed commit")
def test_a_rewrite_is_refused_though_the_mirror_was_lost(following: Following, tmp_path: Path) -> None:
    first = following.head
    assert first is not None
    following.adds("globex")
    following.look()
    following.repository.back_to(first)
    os.rename(tmp_path / "mirror.git", tmp_path / "lost.git")
    following.start()
    assert following.look() == "refused"


def test_another_branch_has_a_head_of_its_own(following: Following) -> None:
    following.repository.git("checkout", "-q", "--orphan", "main2")
    following.repository.git("commit", "-q", "-m", "Begin anew")
    following.repository.git("push", "-q", following.repository.url, "HEAD:refs/heads/other")
    remote = Remote.parse(following.repository.url)
    mirror = Mirror(Branch(remote, "other", "accounts.d", following.folder / "mirror.git"))
    other = FollowedBranch(mirror, following.store, following.lease, 30.0, lambda: NOW, lambda: 1.0)
    found = other.listed().commit
    assert found is not None
    assert found.id == following.repository.head()


@pytest.mark.field("unreadable is not empty")
def test_git_down_is_not_empty_and_what_comes_later_is_applied(following: Following) -> None:
    url = following.repository.url
    os.rename(url, f"{url}.down")
    assert following.look() == "unavailable"
    assert following.look() == "unavailable"
    assert set(following.state.units) == {"main", "acme"}
    os.rename(f"{url}.down", url)
    following.adds("globex")
    assert following.look() == "ok"
    assert "globex" in following.state.units


@pytest.mark.field("bad start")
def test_a_start_with_git_down_leaves_the_last_good_state(following: Following) -> None:
    os.rename(following.repository.url, f"{following.repository.url}.down")
    following.start()
    assert following.look() == "unavailable"
    assert set(following.state.units) == {"main", "acme"}


@pytest.mark.field("unreadable is not empty")
def test_a_folder_that_is_gone_from_the_branch_removes_nobody(following: Following) -> None:
    following.repository.git("mv", "accounts.d", "elsewhere")
    following.repository.git("commit", "-q", "-m", "Move")
    following.repository.push()
    assert following.look() == "unavailable"
    assert not any(unit.retired for unit in following.state.units.values())


class TestSigned:
    """With a file of allowed signers."""

    @pytest.fixture
    def signed(self, following: Following) -> Following:
        """The first commit is followed unsigned; from the next one on signatures are asked for."""
        following.repository.allow("ada")
        following.signers = following.repository.signers
        following.adds("globex", key="ada")
        following.start()
        assert following.look() == "ok"
        assert "globex" in following.state.units
        return following

    @pytest.mark.field("unsigned")
    def test_an_unsigned_commit_in_the_middle_is_refused(self, signed: Following) -> None:
        signed.adds("initech")
        signed.adds("hooli", key="ada")
        assert signed.look() == "refused"
        assert set(signed.state.units) == {"main", "acme", "globex"}

    def test_a_stranger_s_signature_is_refused(self, signed: Following) -> None:
        signed.adds("initech", key="mallory")
        assert signed.look() == "refused"

    @pytest.mark.field("replayed commit", "force-push")
    def test_an_old_signed_commit_that_is_pushed_by_force_is_refused(self, signed: Following) -> None:
        old = signed.head
        assert old is not None
        signed.adds("initech", key="ada")
        assert signed.look() == "ok"
        signed.repository.back_to(old)
        assert signed.look() == "refused"
        assert "initech" in signed.state.units

    def test_an_accepted_rewrite_still_needs_its_signatures(self, signed: Following) -> None:
        old = signed.head
        assert old is not None
        signed.adds("initech", key="ada")
        signed.look()
        signed.repository.back_to(old)
        rewritten = signed.adds("hooli")
        signed.allow(rewritten)
        assert signed.look() == "refused"

    def test_it_goes_on_once_the_signer_is_allowed(self, signed: Following) -> None:
        signed.adds("initech", key="bob")
        assert signed.look() == "refused"
        signed.repository.allow("bob")
        assert signed.look() == "ok"
        assert "initech" in signed.state.units
