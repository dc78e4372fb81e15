"""From a folder to the desired state: one table of bad inputs, what is held, who gives way, and where things stand."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import BaseModel, Field

from reconciler.core.errors import Unavailable
from reconciler.core.registry import Registry
from reconciler.core.revision import AccountStatus, AppliedAccount, AppliedState, AppliedUnit, Origin
from reconciler.protocol.imap_settings import IMAP
from tests.runtime.accounts_folder import MAIN_FILE, Folder, account, tenant

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "accounts.d")


def applied_from(folder: Folder, status: AccountStatus = AccountStatus.SERVING) -> AppliedState:
    """What runs after everything in the folder was applied."""
    desired = folder.read().desired
    units: Mapping[str, AppliedUnit] = {
        unit: AppliedUnit(unit, 1, part.digest, part.document, NOW) for unit, part in desired.units.items()
    }
    accounts = {
        (unit, a.id): AppliedAccount(number, unit, a, status, 1, NOW, Origin("x", 1, 1))
        for unit, part in desired.units.items()
        for number, a in enumerate(part.document.accounts)
    }
    return AppliedState(units, accounts)


def test_a_good_folder_is_the_desired_state(folder: Folder) -> None:
    folder.write("acme.yaml", tenant(account()))
    folder.write("globex/tenant.yaml", "version: 1\ntenant: globex\nlanguage: de\n")
    folder.write("globex/b.yaml", tenant(account("b", domain="globex.example"), name="globex"))
    folder.write("globex/a.yaml", tenant(account("a", domain="globex.example"), name="globex"))
    reading = folder.read()
    assert reading.findings == ()
    assert {u: [a.id for a in s.document.accounts] for u, s in reading.desired.units.items()} == {
        "acme": ["support"],
        "globex": ["a", "b"],
        "main": ["reply", "second-level-reply"],
    }
    assert (reading.files, reading.tenants, reading.accounts) == (5, 2, 5)
    assert (reading.desired.held, reading.main_missing) == (frozenset(), False)


def changed(old: str, new: str, text: str = "") -> str:
    text = text or tenant(account())
    assert old in text
    return text.replace(old, new)


RULE = "routing:\n  - {id: r, when: {subject: {contains: x}}, then: {queue: q}}\n"

BAD = [
    pytest.param(tenant(account()) + "acounts: []\n", [("E201", 11, 1, "/acounts")], id="unknown key"),
    pytest.param(
        changed("username:", "usrname:"),
        [("E202", 9, 11, "/accounts/0/imap"), ("E201", 9, 37, "/accounts/0/imap/usrname")],
        id="misspelt",
    ),
    pytest.param(changed("    protocol: imap\n", ""), [("E202", 4, 5, "/accounts/0")], id="missing key"),
    pytest.param(changed("id: support", "id: 7"), [("E203", 4, 9, "/accounts/0/id")], id="wrong type"),
    pytest.param(changed("type: inbound", "type: inbox"), [("E204", 6, 11, "/accounts/0/type")], id="not allowed"),
    pytest.param(
        changed("{secret: support-imap}", "hunter2-canary"),
        [("E205", 9, 66, "/accounts/0/imap/password")],
        id="literal password",
    ),
    pytest.param(
        changed("{secret: support-imap}", "{hunter2-canary}"),
        [("E205", 9, 66, "/accounts/0/imap/password")],
        id="literal password as a key",
    ),
    pytest.param(
        changed("{secret: support-imap}", "{secret: Hunter2-canary!}"),
        [("E205", 9, 66, "/accounts/0/imap/password")],
        id="literal password as a name",
    ),
    pytest.param(
        changed("{secret: support-imap}", "[hunter2-canary]"),
        [("E205", 9, 66, "/accounts/0/imap/password")],
        id="literal password in a list",
    ),
    pytest.param(
        changed("security: starttls}", "username: u, password: 12345678}"),
        [("E205", 10, 60, "/accounts/0/smtp/password")],
        id="literal smtp password",
    ),
    pytest.param(changed("{secret: support-imap}", ""), [("E204", 9, 11, "/accounts/0/imap")], id="empty password"),
    pytest.param(changed("version: 1", "version: 2"), [("E206", 1, 10, "/version")], id="version 2"),
    pytest.param(changed("version: 1", "version: true"), [("E206", 1, 10, "/version")], id="version true"),
    pytest.param(changed("version: 1", 'version: "1"'), [("E206", 1, 10, "/version")], id="version as text"),
    pytest.param(changed("tenant: acme", "tenant: acne"), [("E104", 2, 9, "/tenant")], id="tenant is not the file"),
    pytest.param(
        tenant(account().replace("    imap:", "    settings:")),
        [("E208", 8, 15, "/accounts/0/protocol")],
        id="protocol block missing",
    ),
    pytest.param(
        changed("protocol: imap", "protocol: imapp"),
        [("E209", 8, 15, "/accounts/0/protocol"), ("E210", 9, 5, "/accounts/0/imap")],
        id="unknown protocol",
    ),
    pytest.param(tenant(account(more="channel: fax")), [("E211", 11, 14, "/accounts/0/channel")], id="unknown channel"),
    pytest.param(
        tenant(account("r", "reply", more="channel: email2")),
        [("W202", 4, 3, "/accounts"), ("E211", 11, 14, "/accounts/0/channel")],
        id="system account's channel",
    ),
    pytest.param(
        tenant(account(), account().replace("support@", "other@").replace("username: support", "username: o")),
        [("E301", 11, 9, "/accounts/1/id")],
        id="duplicate id",
    ),
    pytest.param(
        tenant(account(), account("b").replace("username: b", "username: support").replace("mail.", "MAIL.")),
        [("E302", 16, 47, "/accounts/1/imap/username")],
        id="one mailbox twice",
    ),
    pytest.param(
        tenant(account(), account("b").replace("b@acme", "Support+b@ACME")),
        [("E303", 14, 14, "/accounts/1/address")],
        id="one address twice",
    ),
    pytest.param(
        tenant(account(), account("r", "reply"), account("s", "reply")),
        [("E305", 18, 5, "/accounts/2")],
        id="no default",
    ),
    pytest.param(
        tenant(account(), *(account(i, "reply", more="default: true") for i in "rs")),
        [("E305", 26, 14, "/accounts/2/default")],
        id="two defaults",
    ),
    pytest.param(
        tenant(account(more="reply_via: x")), [("E306", 11, 16, "/accounts/0/reply_via")], id="no such account"
    ),
    pytest.param(
        tenant(account(more="reply_via: s"), account("s", "second-level-reply")),
        [("E306", 11, 16, "/accounts/0/reply_via")],
        id="account of another type",
    ),
    pytest.param(
        tenant(account(smtp=False, more="send_from: support")),
        [("E306", 10, 16, "/accounts/0/send_from")],
        id="sends from itself",
    ),
    pytest.param(
        tenant(account(smtp=False, more="send_from: b"), account("b", smtp=False)),
        [("E306", 10, 16, "/accounts/0/send_from"), ("W203", 11, 5, "/accounts/1")],
        id="sends from one that cannot",
    ),
    pytest.param(
        tenant(account(), account("r", "reply", smtp=False)), [("E307", 11, 5, "/accounts/1")], id="cannot send"
    ),
    pytest.param(
        tenant(account(), account("r", "reply", "else.example", smtp=False, more="send_from: support")),
        [("E308", 17, 16, "/accounts/1/send_from")],
        id="From domain not covered",
    ),
    pytest.param(
        changed("security: starttls", "security: none"),
        [("E309", 10, 47, "/accounts/0/smtp/security")],
        id="smtp no TLS",
    ),
    pytest.param(
        changed("username: support", "security: none, username: support"),
        [("E309", 9, 47, "/accounts/0/imap/security")],
        id="imap without TLS",
    ),
    pytest.param(
        changed("security: starttls", "username: u"), [("E310", 10, 11, "/accounts/0/smtp")], id="login incomplete"
    ),
    pytest.param(
        tenant(account(), more=RULE + RULE.splitlines()[1].replace("x", "y") + "\n"),
        [("E311", 13, 10, "/routing/1/id")],
        id="duplicate rule",
    ),
    pytest.param(
        tenant(account(), more='templates: {forward: {subject: s, text: "{{ x.y() }}"}}\n'),
        [("E312", 11, 41, "/templates/forward/text")],
        id="template",
    ),
    pytest.param(
        tenant(account(), more=RULE + "tests: [{name: t, mail: {account: support}, expect: {rule: r}}]\n"),
        [("E313", 13, 45, "/tests/0/expect")],
        id="rule test failed",
    ),
    pytest.param(
        tenant(account(), more=RULE.replace("{subject", "{account: [suport], subject")),
        [("W205", 12, 13, "/routing/0/when"), ("E306", 12, 30, "/routing/0/when/account/0")],
        id="rule names no account",
    ),
    pytest.param(
        tenant(account("a" * 30, more='subaddressing: "+"')),
        [("E314", 7, 14, "/accounts/0/address")],
        id="address too long for tokens",
    ),
    pytest.param(
        tenant(account(), account("r", "reply", more="reply_via: r")),
        [("E315", 18, 5, "/accounts/1/reply_via")],
        id="key of another type",
    ),
    pytest.param(
        tenant(account(more="send_from: b"), account("b")),
        [("E317", 11, 5, "/accounts/0/send_from")],
        id="two ways to send",
    ),
    pytest.param("# a comment\n" + tenant(), [("W201", 1, 1, "")], id="no account"),
    pytest.param(tenant(account(more="enabled: false")), [("W202", 4, 3, "/accounts")], id="nobody can write"),
    pytest.param(tenant(account(smtp=False)), [("W203", 4, 5, "/accounts/0")], id="inbound cannot send"),
    pytest.param(
        tenant(account(), more=RULE + RULE.splitlines()[1].replace("id: r", "id: s") + "\n"),
        [("W204", 13, 5, "/routing/1")],
        id="rule never reached",
    ),
    pytest.param(
        tenant(account(), more='routing:\n  - {id: r, when: {subject: {matches: "("}}, then: {}}\n'),
        [("E204", 12, 39, "/routing/0/when/subject/matches")],
        id="bad pattern",
    ),
    pytest.param(tenant(account(more="weight: 0")), [("E204", 11, 13, "/accounts/0/weight")], id="weight 0"),
    pytest.param(tenant(account(more="weight: true")), [("E203", 11, 13, "/accounts/0/weight")], id="weight true"),
    pytest.param(tenant(account(more="enabled: no")), [("E203", 11, 14, "/accounts/0/enabled")], id="no is text"),
    pytest.param(
        tenant(account(), more="templates: {answer: {subject: s, text: t}}\n"),
        [("E204", 11, 13, "/templates/answer")],
        id="unknown template",
    ),
]


@pytest.mark.parametrize(("text", "expected"), BAD)
@pytest.mark.field("places")
def test_a_bad_file_is_a_finding_at_its_place(
    folder: Folder, text: str, expected: list[tuple[str, int, int, str]]
) -> None:
    folder.write("acme.yaml", text)
    reading = folder.read()
    assert [(f.code, f.line, f.column, f.pointer) for f in reading.findings] == expected
    assert reading.desired.held == ({"acme"} if any(code[0] == "E" for code, *_ in expected) else set())
    assert not any("canary" in repr(f) or "12345678" in repr(f) for f in reading.findings)


MAIN_BAD = [
    pytest.param(MAIN_FILE + account("third", "reply", "service.example"), [("E304", 17, 5)], id="third main account"),
    pytest.param(MAIN_FILE.split("  - id: second")[0], [("E304", 2, 1)], id="one main account"),
    pytest.param("version: 1\n", [("E304", 1, 1), ("E304", 1, 1)], id="no main account"),
    pytest.param(MAIN_FILE + account("in", domain="service.example"), [("E207", 19, 11)], id="inbound main account"),
    pytest.param(MAIN_FILE + "routing: []\n", [("E207", 17, 1)], id="routing in main.yaml"),
    pytest.param(MAIN_FILE + "tenant: main\n", [("E207", 17, 1)], id="tenant in main.yaml"),
    pytest.param(
        MAIN_FILE.replace("    type: reply\n", "    type: reply\n    enabled: false\n"),
        [("E304", 6, 14)],
        id="disabled main account",
    ),
    pytest.param("version: 1\naccounts: [", [("E004", 2, 12)], id="broken main.yaml"),
]


@pytest.mark.parametrize(("text", "expected"), MAIN_BAD)
def test_a_bad_main_file_holds_main_and_tenants_advance(
    folder: Folder, text: str, expected: list[tuple[str, int, int]]
) -> None:
    folder.write("main.yaml", text).write("acme.yaml", tenant(account()))
    reading = folder.read()
    assert [(f.code, f.line, f.column) for f in reading.findings] == expected
    assert reading.desired.held == {"main"}
    assert set(reading.desired.units) == {"acme"}
    assert not reading.main_missing


def test_a_missing_main_file_is_said(folder: Folder) -> None:
    (folder.root / "main.yaml").unlink()
    reading = folder.write("acme.yaml", tenant(account())).read()
    assert [(f.file, f.code) for f in reading.findings] == [("main.yaml", "E107")]
    assert reading.main_missing
    assert reading.desired.held == {"main"}


def test_a_root_that_is_no_folder_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "accounts.d").write_text("")
    with pytest.raises(Unavailable):
        Folder.read(_Bare(tmp_path / "accounts.d"))


class _Bare(Folder):
    def __init__(self, root: Path) -> None:
        self.root = root


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("globex/a.yaml", "version: 1\ntenant: globex\nrouting: []\n", "E109"),
        ("globex/a.yaml", "version: 1\ntenant: acme\n", "E104"),
        ("globex/a.yaml", "version: 1\ntenant: [", "E004"),
        ("globex/tenant.yaml", "version: 1\ntenant: acme\n", "E104"),
    ],
)
def test_one_bad_file_of_a_folder_holds_its_tenant_only(folder: Folder, name: str, text: str, code: str) -> None:
    folder.write("acme.yaml", tenant(account()))
    folder.write("globex/tenant.yaml", tenant(account("a", domain="globex.example"), name="globex"))
    reading = folder.write(name, text).read()
    assert [(f.file, f.code) for f in reading.findings if f.code[0] == "E"] == [(name, code)]
    assert (set(reading.desired.units), reading.desired.held) == ({"acme", "main"}, frozenset({"globex"}))


@pytest.mark.field("permission")
def test_an_unreadable_tenant_is_held_and_not_removed(folder: Folder) -> None:
    os.mkfifo(folder.root / "acme.yaml")
    assert folder.read().desired.held == {"acme"}


def test_every_error_of_every_file_is_found_in_one_run(folder: Folder) -> None:
    text = tenant(
        account(more="weight: 0"), account("b", more="colour: red"), account("c", more="channel: fax"), account("c")
    )
    folder.write("acme.yaml", text).write("globex.yaml", "version: 2\n").write("initech.yaml", "[")
    assert folder.codes() == [
        ("acme.yaml", "E204"),
        ("acme.yaml", "E201"),
        ("acme.yaml", "E211"),
        ("acme.yaml", "E301"),
        ("acme.yaml", "E303"),
        ("acme.yaml", "E302"),
        ("globex.yaml", "E202"),
        ("globex.yaml", "E206"),
        ("initech.yaml", "E004"),
    ]


@pytest.mark.parametrize(
    ("word", "suggestion"), [("adress", "address"), ("sent_from", "send_from"), ("protokol", "protocol")]
)
def test_an_unknown_key_comes_with_a_suggestion(folder: Folder, word: str, suggestion: str) -> None:
    (finding,) = folder.write("acme.yaml", tenant(account(more=f"{word}: x"))).read().findings
    assert f"did you mean `{suggestion}`?" in finding.message


Clash = Callable[[str], str]
CLASHES = [
    pytest.param(
        lambda text: text.replace("host: mail.globex.example, u", "host: MAIL.acme.example, u"), "E302", id="mailbox"
    ),
    pytest.param(lambda text: text.replace("support@globex", "Support+x@acme"), "E303", id="address"),
]


@pytest.mark.parametrize(("clash", "code"), CLASHES)
def test_with_nothing_applied_both_get_the_finding(folder: Folder, clash: Clash, code: str) -> None:
    globex = clash(tenant(account(domain="globex.example"), name="globex"))
    folder.write("acme.yaml", tenant(account())).write("globex.yaml", globex)
    assert [pair for pair in folder.codes() if pair[1] == code] == [("acme.yaml", code), ("globex.yaml", code)]


@pytest.mark.parametrize(("clash", "code"), CLASHES)
@pytest.mark.parametrize("status", list(AccountStatus)[:2])
@pytest.mark.field("one bad file")
def test_the_newcomer_pays(folder: Folder, clash: Clash, code: str, status: AccountStatus) -> None:
    globex = clash(tenant(account(domain="globex.example"), name="globex"))
    applied = applied_from(folder.write("acme.yaml", tenant(account())), status)
    folder.write("globex.yaml", globex)
    assert [pair for pair in folder.codes(applied) if pair[1] == code] == [("globex.yaml", code)]
    assert "acme" in folder.read(applied).desired.units


@pytest.mark.parametrize(("clash", "code"), CLASHES)
def test_a_held_tenant_keeps_its_mailboxes_and_addresses(folder: Folder, clash: Clash, code: str) -> None:
    globex = clash(tenant(account(domain="globex.example"), name="globex"))
    applied = applied_from(folder.write("acme.yaml", tenant(account())))
    folder.write("acme.yaml", "version: [").write("globex.yaml", globex)
    assert ("globex.yaml", code) in folder.codes(applied)


def test_what_an_inbound_account_gives_up_another_tenant_may_take(folder: Folder) -> None:
    applied = applied_from(folder.write("acme.yaml", tenant(account())))
    folder.write("acme.yaml", tenant(account("other")))
    folder.write("globex.yaml", tenant(account(), name="globex"))
    assert folder.codes(applied) == []


def test_what_a_system_account_gives_up_is_taken_until_it_has_drained(folder: Folder) -> None:
    applied = applied_from(folder.write("acme.yaml", tenant(account(), account("r", "reply"))))
    folder.write("acme.yaml", tenant(account()))
    folder.write("globex.yaml", tenant(account("r", "reply"), account("in"), name="globex"))
    assert folder.codes(applied) == [("globex.yaml", "E303"), ("globex.yaml", "E302")]


def test_giving_way_goes_round_a_chain(folder: Folder) -> None:
    """beta takes alpha's address and may not; so beta keeps its own, which gamma wanted."""
    for name in ("alpha", "beta"):
        folder.write(f"{name}.yaml", tenant(account(name), name=name))
    applied = applied_from(folder)
    folder.write("beta.yaml", tenant(account("alpha"), name="beta"))
    folder.write("gamma.yaml", tenant(account("beta"), name="gamma"))
    reading = folder.read(applied)
    assert reading.desired.held == {"beta", "gamma"}
    assert set(reading.desired.units) == {"alpha", "main"}


def test_a_renamed_account_does_not_clash_with_itself(folder: Folder) -> None:
    applied = applied_from(folder.write("acme.yaml", tenant(account())))
    folder.write("acme.yaml", tenant(account().replace("id: support", "id: help\n    moved_from: support")))
    assert folder.codes(applied) == []


def test_a_disabled_account_beside_one_that_serves_needs_no_default(folder: Folder) -> None:
    folder.write("acme.yaml", tenant(account(), account("r", "reply", more="enabled: false"), account("s", "reply")))
    assert folder.codes() == []


def test_sends_for_covers_another_domain(folder: Folder) -> None:
    text = tenant(
        account(more="sends_for: [Else.example]"),
        account("r", "reply", "else.example", smtp=False, more="send_from: support"),
    )
    assert folder.write("acme.yaml", text).codes() == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", '"::1"'])
def test_loopback_may_do_without_tls(folder: Folder, host: str) -> None:
    folder.write("acme.yaml", changed("host: mail.acme.example, security: starttls", f"host: {host}, security: none"))
    assert folder.codes() == []


class _Phone(BaseModel):
    number: int = Field(ge=1)


def test_a_plug_ins_own_settings_are_checked_by_its_model(folder: Folder) -> None:
    registry = Registry({"imap": IMAP.settings}, settings={"phone": _Phone})
    folder.write("acme.yaml", tenant(account(more="settings: {phone: {number: canary}, other: {x: y}}")))
    (finding,) = folder.read(registry=registry).findings
    assert (finding.code, finding.pointer) == ("E316", "/accounts/0/settings/phone/number")
    assert "canary" not in finding.message


def test_every_change_of_the_plan_can_be_located(folder: Folder) -> None:
    folder.write("globex/tenant.yaml", "version: 1\ntenant: globex\nlanguage: de\n" + RULE)
    folder.write("globex/a.yaml", tenant(account(domain="globex.example"), name="globex"))
    part = folder.read().desired.units["globex"]
    assert part.account_origins == {"support": Origin("globex/a.yaml", 4, 5)}
    assert part.locate("accounts/support/imap/host") == Origin("globex/a.yaml", 9, 18)
    assert part.locate("accounts/support/weight") == Origin("globex/a.yaml", 4, 5)
    assert part.locate("language") == Origin("globex/tenant.yaml", 3, 11)
    assert part.locate("routing/r/then") == Origin("globex/tenant.yaml", 5, 51)
    assert part.locate("owners") == Origin("globex/tenant.yaml", 1, 1)


def test_one_tenants_tests_cannot_keep_the_others_waiting(folder: Folder) -> None:
    words = ", ".join(f"a{number}" for number in range(90))
    rules = "".join(f"  - {{id: r{i}, when: {{body: {{matches: [{words}]}}}}, then: {{}}}}\n" for i in range(300))
    tests = "".join(f"  - {{name: t{i}, mail: {{account: support}}, expect: {{}}}}\n" for i in range(300))
    folder.write("acme.yaml", tenant(account(), more=f"routing:\n{rules}tests:\n{tests}"))
    assert ("acme.yaml", "E318") in folder.codes()


def test_a_file_shows_five_hundred_errors_and_says_how_many_more_there_are(folder: Folder) -> None:
    keys = "".join(f"k{number}: 1\n" for number in range(700))
    findings = folder.write("acme.yaml", tenant(account(), more=keys)).read().findings
    assert len(findings) == 500
    assert findings[-1].message.endswith("200 more findings in this file are not shown")


def test_ten_accounts_more_or_less_a_reading_repeats_itself(folder: Folder) -> None:
    for number in range(10):
        folder.write(f"t{number}.yaml", tenant(account(f"a{number}"), name=f"t{number}"))
    first, second = folder.read(), folder.read()
    assert (first.findings, first.fingerprint) == (second.findings, second.fingerprint)
    assert {u: s.digest for u, s in first.desired.units.items()} == {
        u: s.digest for u, s in second.desired.units.items()
    }
