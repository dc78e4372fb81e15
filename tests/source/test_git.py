"""What is read of a repository is what stands in the commit, and nothing in the repository runs anything."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.core.errors import Invalid, NotSetUp, Unavailable
from reconciler.source.files import Loaded, Reader, load
from reconciler.source.git import Branch, BranchRevision, LocalRevision, Mirror
from reconciler.source.git_program import Git, Remote
from tests.repositories import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path)
    made.commit("Begin")
    return made


@pytest.fixture
def mirror(repository: Repository, tmp_path: Path) -> Mirror:
    return Mirror(Branch(Remote.parse(repository.url), "main", "accounts.d", tmp_path / "mirror.git"))


def head(mirror: Mirror) -> Loaded:
    """What the branch holds now."""
    return Reader().read(mirror.listed(mirror.fetch()))


def names(mirror: Mirror) -> dict[str, list[str]]:
    """File names by unit at the branch's head."""
    loaded = head(mirror)
    return {unit: [d.file for d in files.documents] for unit, files in loaded.units.items()}


def findings(mirror: Mirror) -> set[tuple[str, str]]:
    """Code and file of every finding at the branch's head."""
    return {(f.code, f.file) for f in head(mirror).findings}


def test_a_commit_reads_as_the_folder_does(repository: Repository, mirror: Mirror) -> None:
    repository.write_text("globex/tenant.yaml", "version: 1\ntenant: globex\n")
    repository.write_text("globex/more.yaml", "version: 1\ntenant: globex\n")
    repository.write_text("README.md", "ignored")
    repository.write_text("stray.txt", "a warning")
    repository.write_text("Big.yaml", "a finding")
    repository.commit()
    there, here = head(mirror), load(repository.work / "accounts.d")
    assert (there.fingerprint, there.findings, there.files) == (here.fingerprint, here.findings, here.files)
    assert there.units == here.units


def test_the_commit_says_who_and_when(repository: Repository, mirror: Mirror) -> None:
    commit = mirror.fetch()
    assert commit.id == repository.head()
    assert commit.author == "Ada Admin <ada@acme.example>"
    assert commit.committed_at == datetime(2026, 3, 1, 10, tzinfo=UTC)


def test_a_new_commit_and_a_rewritten_branch_are_fetched(repository: Repository, mirror: Mirror) -> None:
    first = mirror.fetch().id
    second = repository.commit()
    assert mirror.fetch().id == second
    repository.back_to(first)
    assert mirror.fetch().id == first


def test_nothing_is_checked_out(repository: Repository, mirror: Mirror, tmp_path: Path) -> None:
    repository.commit()
    names(mirror)
    assert [path for path in (tmp_path / "mirror.git").rglob("*") if path.suffix == ".yaml"] == []


def test_filters_and_attributes_of_the_repository_have_no_say(repository: Repository, mirror: Mirror) -> None:
    repository.write_text(".gitattributes", "*.yaml filter=evil text eol=crlf ident\n")
    repository.write_text("acme.yaml", "# $Id$\nversion: 1\ntenant: acme\n")
    repository.commit()
    (document,) = head(mirror).units["acme"].documents
    assert document.text == b"# $Id$\nversion: 1\ntenant: acme\n"


def test_a_link_inside_the_folder_is_followed(repository: Repository, mirror: Mirror) -> None:
    repository.write_text("globex/tenant.yaml", "version: 1\ntenant: globex\n")
    (repository.work / "accounts.d/initech").symlink_to("globex")
    (repository.work / "accounts.d/hooli.yaml").symlink_to("./acme.yaml")
    repository.commit()
    found = names(mirror)
    assert found["initech"] == ["initech/tenant.yaml"]
    assert found["hooli"] == ["hooli.yaml"]


@pytest.mark.parametrize("target", ["../secret.yaml", "/etc/passwd", "absent.yaml", "evil.yaml", "."])
@pytest.mark.field("no file")
def test_a_link_out_of_the_folder_or_to_nowhere_is_a_finding(
    repository: Repository, mirror: Mirror, target: str
) -> None:
    (repository.work / "secret.yaml").write_text("version: 1\n")
    (repository.work / "accounts.d/evil.yaml").symlink_to(target)
    repository.commit()
    assert ("E110", "evil.yaml") in findings(mirror)
    assert not head(mirror).units["evil"].complete


def test_a_submodule_is_a_finding_and_is_not_fetched(repository: Repository, mirror: Mirror) -> None:
    head = repository.head()
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{head},accounts.d/evil")
    repository.git("commit", "-q", "-m", "A submodule")
    repository.push()
    assert ("E110", "evil") in findings(mirror)


@pytest.mark.field("large")
def test_a_file_over_the_cap_is_a_finding(repository: Repository, mirror: Mirror) -> None:
    repository.write_text("huge.yaml", "#" * 5_000_000)
    repository.commit()
    assert ("E002", "huge.yaml") in findings(mirror)


def test_a_name_that_is_not_text_is_a_finding(repository: Repository, mirror: Mirror) -> None:
    blob = repository.git("hash-object", "-w", "accounts.d/acme.yaml")
    entry = b"100644 " + blob.encode() + b"\taccounts.d/\xff.yaml\0"
    command = ["git", "-C", str(repository.work), "update-index", "-z", "--index-info"]
    subprocess.run(command, input=entry, check=True)
    repository.git("commit", "-q", "-m", "A name")
    repository.push()
    assert ("E111", "\\xff.yaml") in findings(mirror)


@pytest.mark.parametrize(
    "path", ["accounts.d", "./accounts.d/", "accounts.d//"], ids=["plain", "from-here", "with-slashes"]
)
def test_a_path_is_taken_as_it_is_written(repository: Repository, tmp_path: Path, path: str) -> None:
    mirror = Mirror(Branch(Remote.parse(repository.url), "main", path, tmp_path / "mirror.git"))
    assert set(names(mirror)) == {"main", "acme"}


@pytest.mark.field("unreadable is not empty")
def test_a_commit_without_the_folder_is_unavailable_and_not_empty(repository: Repository, mirror: Mirror) -> None:
    repository.git("mv", "accounts.d", "elsewhere")
    repository.git("commit", "-q", "-m", "Move")
    repository.push()
    with pytest.raises(Unavailable, match=r"has no folder accounts\.d"):
        head(mirror)


def break_url(repository: Repository) -> None:
    os.rename(repository.url, f"{repository.url}.gone")


def break_branch(repository: Repository) -> None:
    repository.git("push", "-q", repository.url, "HEAD:refs/heads/other")
    repository.git("push", "-q", "--delete", repository.url, "main")


@pytest.mark.parametrize("broken", [break_url, break_branch], ids=["repository-gone", "branch-gone"])
def test_a_source_that_cannot_be_had_is_unavailable(
    repository: Repository, mirror: Mirror, broken: Callable[[Repository], None]
) -> None:
    mirror.fetch()
    repository.git("config", "receive.denyDeleteCurrent", "ignore")
    subprocess.run(["git", "-C", repository.url, "config", "receive.denyDeleteCurrent", "ignore"], check=True)
    broken(repository)
    with pytest.raises(Unavailable, match="cannot be fetched"):
        mirror.fetch()


def test_a_git_that_never_answers_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hung = tmp_path / "bin" / "git"
    hung.parent.mkdir()
    hung.write_text("#!/bin/sh\nexec tail -f /dev/null\n")
    hung.chmod(0o755)
    monkeypatch.setenv("PATH", f"{hung.parent}:{os.environ['PATH']}")
    with pytest.raises(Unavailable, match=r"longer than 0\.05 s"):
        Git(str(tmp_path), 0.05).run(["fetch"])


def test_a_machine_without_git_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotSetUp, match="install it"):
        Git(str(tmp_path), 1).run(["fetch"])


@pytest.mark.parametrize(
    "url",
    ["ext::sh -c touch% {marker}", "--upload-pack=touch {marker}", "fd::7", "git://127.0.0.1:9/x"],
    ids=["ext", "option", "fd", "git"],
)
def test_a_url_runs_nothing(tmp_path: Path, url: str) -> None:
    marker = tmp_path / "ran"
    with pytest.raises(Unavailable):
        Mirror(Branch(Remote.parse(url.format(marker=marker)), "main", "accounts.d", tmp_path / "m.git")).fetch()
    assert not marker.exists()


def test_hooks_of_the_mirror_do_not_run(repository: Repository, mirror: Mirror, tmp_path: Path) -> None:
    mirror.fetch()
    hook = tmp_path / "mirror.git/hooks/reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    repository.commit()
    mirror.fetch()
    assert not (tmp_path / "ran").exists()


def test_the_environment_of_a_hook_does_not_lead_to_another_repository(
    repository: Repository, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = repository.head()
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", "/nowhere")
    assert mirror.fetch().id == head


class TestCredentials:
    """A password in the URL goes to git through the environment and to nobody else."""

    URL = "https://ada:s3cret%2Fcanary@127.0.0.1:1/accounts.git"

    def test_are_taken_out_of_the_url(self) -> None:
        remote = Remote.parse(self.URL)
        assert (remote.url, remote.username, remote.password) == (
            "https://127.0.0.1:1/accounts.git",
            "ada",
            "s3cret/canary",
        )
        assert "canary" not in repr(remote)

    @pytest.mark.parametrize("url", ["git@host:path.git", "ssh://git@host/path", "/srv/accounts.git", "file:///a@b"])
    def test_other_urls_stay_as_they_are(self, url: str) -> None:
        assert Remote.parse(url) == Remote(url)

    def test_are_in_no_message_no_argument_and_no_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = subprocess.run(["sh", "-c", "command -v git"], capture_output=True, text=True, check=True).stdout.strip()
        shim = tmp_path / "bin" / "git"
        shim.parent.mkdir()
        shim.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/arguments\nexec {real} "$@"\n')
        shim.chmod(0o755)
        monkeypatch.setenv("PATH", f"{shim.parent}:{os.environ['PATH']}")
        mirror = Mirror(Branch(Remote.parse(self.URL), "main", "accounts.d", tmp_path / "m.git"))
        with pytest.raises(Unavailable) as told:
            mirror.fetch()
        files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
        assert "127.0.0.1" in str(told.value)
        assert "canary" not in str(told.value)
        assert not [data for data in files if b"canary" in data]

    def test_are_what_git_is_told(self, tmp_path: Path) -> None:
        git = Git(str(tmp_path), 10, Remote.parse(self.URL))
        said = git.run(["credential", "fill"], b"url=https://127.0.0.1:1/accounts.git\n\n")
        assert b"username=ada\npassword=s3cret/canary\n" in said


class TestSignatures:
    """Every commit since the one that was followed last must be signed by an allowed key."""

    @pytest.fixture
    def signed(self, repository: Repository, tmp_path: Path) -> Mirror:
        repository.allow("ada")
        remote = Remote.parse(repository.url)
        return Mirror(Branch(remote, "main", "accounts.d", tmp_path / "mirror.git", repository.signers))

    def test_signed_commits_pass(self, repository: Repository, signed: Mirror) -> None:
        first = repository.commit(key="ada")
        repository.commit(key="ada")
        last = repository.commit(key="ada")
        assert signed.unsigned(signed.fetch().id, first) == ()
        assert signed.unsigned(last, last) == ()

    @pytest.mark.field("unsigned")
    def test_an_unsigned_commit_in_the_middle_is_found(self, repository: Repository, signed: Mirror) -> None:
        first = repository.commit(key="ada")
        middle = repository.commit()
        last = repository.commit(key="ada")
        signed.fetch()
        assert signed.unsigned(last, first) == (middle,)

    def test_an_unsigned_commit_of_a_merged_branch_is_found(self, repository: Repository, signed: Mirror) -> None:
        first = repository.commit(key="ada")
        repository.git("checkout", "-q", "-b", "side")
        side = repository.commit()
        repository.git("checkout", "-q", "main")
        repository.commit(key="ada")
        signing = ["-c", "gpg.format=ssh", "-c", f"user.signingkey={repository.key('ada')}"]
        repository.git(*signing, "merge", "-q", "-S", "--no-ff", "-m", "Merge", "side")
        repository.push()
        assert signed.unsigned(signed.fetch().id, first) == (side,)

    @pytest.mark.parametrize("key", [None, "mallory"], ids=["nobody", "a-stranger"])
    def test_the_head_is_looked_at_where_nothing_was_followed_yet(
        self, repository: Repository, signed: Mirror, key: str | None
    ) -> None:
        head = repository.commit(key=key)
        signed.fetch()
        assert signed.unsigned(head, None) == (head,)

    def test_a_commit_before_the_first_one_that_is_followed_need_not_be_signed(
        self, repository: Repository, signed: Mirror
    ) -> None:
        head = repository.commit(key="ada")
        signed.fetch()
        assert signed.unsigned(head, None) == ()

    def test_without_the_file_of_signers_nothing_is_followed(self, repository: Repository, signed: Mirror) -> None:
        head = repository.commit(key="ada")
        signed.fetch()
        repository.signers.unlink()
        with pytest.raises(Unavailable, match="allowed-signers"):
            signed.unsigned(head, None)

    def test_a_repository_brings_no_signers_of_its_own(self, repository: Repository, signed: Mirror) -> None:
        public = repository.key("mallory").with_suffix(".pub").read_text()
        (repository.work / "allowed_signers").write_text(f"mallory@evil.example {public}")
        head = repository.commit(key="mallory")
        signed.fetch()
        assert signed.unsigned(head, None) == (head,)


def test_descent_is_told(repository: Repository, mirror: Mirror) -> None:
    first = repository.head()
    second = repository.commit()
    mirror.fetch()
    assert mirror.descends(second, first)
    assert mirror.descends(second, second)
    assert not mirror.descends(first, second)
    assert not mirror.descends(second, "0" * 40)


class TestRevisions:
    """An older commit can be looked at without checking it out."""

    def test_of_a_fetched_branch(self, repository: Repository, mirror: Mirror) -> None:
        first = repository.head()
        repository.write_text("globex.yaml", "version: 1\ntenant: globex\n")
        repository.commit()
        assert set(BranchRevision(mirror, None).listed().units) == {"main", "acme", "globex"}
        assert set(BranchRevision(mirror, first[:10]).listed().units) == {"main", "acme"}

    def test_of_the_repository_around_the_folder(self, repository: Repository) -> None:
        repository.write_text("globex.yaml", "version: 1\ntenant: globex\n")
        folder = repository.work / "accounts.d"
        assert set(LocalRevision(folder, "HEAD").listed().units) == {"main", "acme"}
        repository.commit()
        assert set(LocalRevision(folder, "main~1").listed().units) == {"main", "acme"}

    def test_of_a_folder_that_is_gone_by_now(self, repository: Repository) -> None:
        repository.git("rm", "-rq", "accounts.d")
        assert set(LocalRevision(repository.work / "accounts.d", "HEAD").listed().units) == {"main", "acme"}

    @pytest.mark.parametrize("revision", ["absent", "0" * 40, "--help", "HEAD:accounts.d", ""])
    def test_that_do_not_exist_are_told(self, repository: Repository, revision: str) -> None:
        with pytest.raises(Invalid, match="there is no commit"):
            LocalRevision(repository.work / "accounts.d", revision).listed()

    def test_outside_a_repository_are_told(self, tmp_path: Path) -> None:
        with pytest.raises(Invalid, match="is in no Git repository"):
            LocalRevision(tmp_path / "absent", "HEAD").listed()
