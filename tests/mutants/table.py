"""The patches: what each removes, where, and the test that must not survive it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """One line of the package replaced by another; `test` is a pytest id that must fail then."""

    removes: str
    file: str
    line: str
    instead: str
    test: str


PLAN, POLICY, SAVED = "tests/core/test_plan.py", "tests/cli/test_policy.py", "tests/cli/test_saved_plan.py"
REDIRECT, APPLY, DESIRED = "tests/core/test_redirect.py", "tests/runtime/test_apply.py", "tests/runtime/test_desired.py"
FILES, YAML = "tests/source/test_files.py", "tests/source/test_yaml_reader.py"
GUARD = "core/guard.py"
COUNTS = f"{PLAN}::test_counts_and_shares_of_retired_accounts_trip_guards"
BLOCKED = "return bool(self.locked) or (bool(self.guards) and self.digest not in acknowledged)"

MUTANTS = (
    Mutant(
        "guard many-of-tenant",
        GUARD,
        "return _many(removal.retired, removal.before, limits.tenant_accounts, limits.tenant_percent)",
        "return False",
        COUNTS,
    ),
    Mutant("guard many-overall", GUARD, "return many_overall and removal.retired > 0", "return False", COUNTS),
    Mutant(
        "guard last-account",
        GUARD,
        "return removal.retired > 0 and removal.after == 0",
        "return False",
        f"{PLAN}::test_a_unit_absent_from_the_folder_retires_with_all_its_accounts",
    ),
    Mutant(
        "guard open-referrals",
        GUARD,
        "return removal.open_referrals",
        "return False",
        f"{PLAN}::test_an_account_with_open_referrals_stays_where_answers_arrive",
    ),
    Mutant(
        "guard protected",
        GUARD,
        "return removal.protected",
        "return False",
        f"{PLAN}::test_protection_outlives_the_block_that_said_it",
    ),
    Mutant("the share of a guard", GUARD, "return retired > most or (", "return retired > most and (", COUNTS),
    Mutant(
        "a redirect blocks",
        "core/plan.py",
        BLOCKED,
        "return bool(self.guards) and self.digest not in acknowledged",
        f"{POLICY}::test_a_redirect_blocks_the_tenant_until_the_policy_lets_it_pass",
    ),
    Mutant(
        "a redirect counts at creation, too",
        "core/binding.py",
        "        return bool(bound)",
        "        return False",
        f"{REDIRECT}::test_a_bound_secret_never_goes_elsewhere",
    ),
    Mutant(
        "less TLS is a redirect",
        "core/binding.py",
        "return all(to.protects_less_than(known) for known in same)",
        "return False",
        f"{REDIRECT}::test_more_tls_is_no_redirect_and_less_is_one",
    ),
    Mutant(
        "bindings are remembered",
        "store/applied.py",
        "        write_bindings(connection, plan, wanted, revision)",
        "        pass",
        f"{POLICY}::test_a_secret_stays_bound_when_its_account_is_gone",
    ),
    Mutant(
        "a moved secret is bound anew",
        "store/bindings.py",
        "    if moved:",
        "    if False:",
        f"{POLICY}::test_once_moved_a_secret_is_bound_to_the_new_server_alone",
    ),
    Mutant(
        "an unlock names its account",
        "core/policy.py",
        'self.account in ("*", f"{tenant}/*", account)',
        "True",
        f"{REDIRECT}::test_only_the_policys_line_for_it_lets_a_redirect_pass",
    ),
    Mutant(
        "the token keys are no password",
        "core/account_rules.py",
        "if placed.unit == MAIN and use.secret == TOKEN_KEYS:",
        "if False:",
        f"{POLICY}::test_the_token_keys_are_no_password",
    ),
    Mutant(
        "a broken policy stops everything",
        "source/policy.py",
        '        raise Invalid(f"the policy cannot be used, so nothing is changed: {said}")',
        "        return BUILT_IN",
        f"{POLICY}::test_a_policy_that_cannot_be_used_stops_everything",
    ),
    Mutant(
        "allowed hosts",
        "core/policy_rules.py",
        "if not policy.allows_host(host):",
        "if False:",
        f"{POLICY}::test_what_the_policy_does_not_allow_is_a_finding_and_holds_the_tenant",
    ),
    Mutant(
        "a suffix begins at a dot",
        "core/policy.py",
        'suffix = pattern.removeprefix("*")',
        'suffix = pattern.removeprefix("*.")',
        "tests/core/test_policy.py::test_a_host_is_allowed_by_its_name_or_by_a_suffix",
    ),
    Mutant(
        "the TLS floor",
        "core/policy_rules.py",
        "if not isinstance(security, Security) or not weaker(security, floor):",
        "if True:",
        f"{POLICY}::test_plain_connections_need_the_policys_leave",
    ),
    Mutant(
        "an acknowledgement is for its digest",
        "core/plan.py",
        BLOCKED,
        "return bool(self.locked) or (bool(self.guards) and not acknowledged)",
        f"{APPLY}::test_an_acknowledgement_does_not_cover_another_removal",
    ),
    Mutant(
        "an acknowledgement is used once",
        "store/standing.py",
        "select(acks.c.digest).where(acks.c.revision_id.is_(None))",
        "select(acks.c.digest)",
        f"{SAVED}::test_an_acknowledgement_lets_its_plan_pass_once",
    ),
    Mutant(
        "the digest covers what runs",
        "core/plan.py",
        "content = [self.tenant, self.base, self.target, changes, sorted(self.guards)]",
        "content = [self.tenant, self.target, sorted(self.guards)]",
        f"{PLAN}::test_the_digest_is_of_base_and_target",
    ),
    Mutant(
        "no main.yaml: nothing advances",
        "runtime/apply.py",
        "    if reading.main_missing:",
        "    if False:",
        f"{APPLY}::test_without_main_file_nothing_advances",
    ),
    Mutant(
        "main is never a removal",
        "core/diff.py",
        "return frozenset((changed | gone - {MAIN}) - desired.held)",
        "return frozenset((changed | gone) - desired.held)",
        f"{PLAN}::test_an_absent_main_unit_is_never_a_removal",
    ),
    Mutant(
        "an unreadable file is no removal",
        "core/diff.py",
        "return frozenset((changed | gone - {MAIN}) - desired.held)",
        "return frozenset(changed | gone - {MAIN})",
        f"{PLAN}::test_a_held_unit_yields_no_change_and_no_removal",
    ),
    Mutant(
        "the newcomer pays",
        "core/clash.py",
        "    owners = _owners(claims, held, applied, identity)",
        "    owners: dict[Hashable, dict[str, str]] = {}",
        f"{DESIRED}::test_the_newcomer_pays",
    ),
    Mutant(
        "a lost lease writes nothing",
        "store/lease.py",
        "        if connection.execute(self._mine(select(leases.c.fence))).first() is None:",
        "        if False:",
        f"{APPLY}::test_who_lost_the_lease_writes_nothing",
    ),
    Mutant(
        "a literal secret is not repeated",
        "core/shape.py",
        "    if secret is not None:",
        "    if False:",
        f"{DESIRED}::test_a_bad_file_is_a_finding_at_its_place[literal password]",
    ),
    Mutant(
        "a secret cannot be printed",
        "core/secret.py",
        '        return "Secret(***)"',
        "        return self._text",
        "tests/source/test_secret.py::test_a_secret_cannot_be_printed_or_carried_away",
    ),
    Mutant(
        "a saved plan is compared",
        "runtime/apply.py",
        "    if differing:",
        "    if False:",
        f"{SAVED}::test_a_plan_that_is_another_one_now_is_refused_as_a_whole",
    ),
    Mutant(
        "a blocked part blocks a saved plan",
        "runtime/apply.py",
        "    if blocked:",
        "    if False:",
        f"{SAVED}::test_a_blocked_part_keeps_the_whole_plan_from_being_applied",
    ),
    Mutant(
        "a changed snapshot is refused",
        "core/snapshot.py",
        "if digest(document) != row.digest:",
        "if False:",
        f"{SAVED}::test_a_changed_snapshot_is_refused",
    ),
    Mutant(
        "a rewritten branch is refused",
        "core/commit.py",
        "if self.old is not None and not self.descends and not self.rewrite_allowed:",
        "if False:",
        "tests/core/test_commit.py::test_a_head_passes_or_is_told_why_not",
    ),
    Mutant(
        "an unsigned commit is refused",
        "core/commit.py",
        "        if self.unsigned:",
        "        if False:",
        "tests/core/test_commit.py::test_a_head_passes_or_is_told_why_not",
    ),
    Mutant(
        "a terminal is not written to raw",
        "report/terminal.py",
        "    if text.isascii() and text.isprintable():",
        "    if True:",
        "tests/report/test_plan.py::test_values_from_files_cannot_reach_the_terminal_raw",
    ),
    Mutant(
        "a pipe or device is not opened",
        "source/listing.py",
        "        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):",
        "        if False:",
        f"{FILES}::test_what_cannot_be_an_account_file_is_a_finding[FIFO]",
    ),
    Mutant(
        "a link out of the folder is not followed",
        "source/listing.py",
        "        if not (os.path.realpath(path) + os.sep).startswith(self._inside):",
        "        if False:",
        f"{FILES}::test_what_cannot_be_an_account_file_is_a_finding[link out of the folder]",
    ),
    Mutant(
        "what cannot be read holds its tenant",
        "source/listing.py",
        "            self._unit(unit).refused = True",
        "            pass",
        f"{FILES}::test_an_unreadable_file_holds_its_tenant_and_is_never_a_removal",
    ),
    Mutant(
        "a folder that is gone is not empty",
        "source/listing.py",
        "            listing = list_tree(_Folder(root))",
        "            listing = list_tree(_Folder(root)) if root.exists() else Listing({}, (), '', 0)",
        f"{FILES}::test_a_missing_root_is_unavailable_not_empty",
    ),
    Mutant(
        "main.yaml must be there",
        "source/files.py",
        "        if MAIN not in units:",
        "        if False:",
        f"{FILES}::test_what_cannot_be_an_account_file_is_a_finding[main.yaml missing]",
    ),
    Mutant(
        "the cap on a file",
        "source/yaml_reader.py",
        "    if len(data) > SIZE_CAP:",
        "    if False:",
        f"{YAML}::test_five_megabytes_are_too_large",
    ),
    Mutant(
        "the cap on levels",
        "source/yaml_construction.py",
        "        if len(self._stack) > DEPTH_CAP:",
        "        if False:",
        f"{YAML}::test_a_hundred_thousand_levels_are_a_finding_and_no_crash",
    ),
    Mutant(
        "a second key is an error",
        "source/yaml_construction.py",
        "        if value in self._stack[-1]:",
        "        if False:",
        f"{YAML}::test_the_first_of_two_equal_keys_counts",
    ),
    Mutant(
        "a newer store is refused",
        "store/database.py",
        "    if version is not None and version > SCHEMA:",
        "    if False:",
        "tests/store/test_database.py::test_a_store_of_a_newer_program_is_refused",
    ),
    Mutant(
        "markup in a plan's comment is text",
        "report/markdown.py",
        '    fence = "`" * (max(map(len, _BACKTICKS.findall(shown)), default=0) + 1)',
        '    fence = "`"',
        "tests/report/test_plan_markdown.py::test_nothing_of_a_file_is_markup",
    ),
    Mutant(
        "every commit of the range is verified",
        "source/git.py",
        "        if old is not None and old != new:",
        "        if False:",
        "tests/source/test_git.py::TestSignatures::test_an_unsigned_commit_in_the_middle_is_found",
    ),
    Mutant(
        "an anchor is refused",
        "source/yaml_construction.py",
        "        if event.anchor is not None:",
        "        if False:",
        f"{YAML}::test_bad_text_is_one_finding_at_its_place[anchor]",
    ),
    Mutant(
        "an unknown key is refused",
        "core/settings.py",
        'extra="forbid", frozen=True',
        'extra="ignore", frozen=True',
        f"{DESIRED}::test_an_unknown_key_comes_with_a_suggestion",
    ),
    Mutant(
        "a secret's link stays inside its namespace",
        "source/secret.py",
        "        if not path.is_relative_to(namespace):",
        "        if False:",
        "tests/source/test_secret.py::test_a_link_out_of_the_namespace_is_refused",
    ),
    Mutant(
        "a system account drains first",
        "store/applied.py",
        "    drains = AccountType(row.type).is_system and row.waiting",
        "    drains = False",
        "tests/runtime/test_draining.py::test_a_system_account_drains_until_retire_after_is_over",
    ),
    Mutant(
        "a suspension ends by the clock",
        "core/suspension.py",
        "        return self.ended_at is None and now < self.until",
        "        return self.ended_at is None",
        "tests/core/test_suspension.py::test_it_is_over_at_its_instant_or_when_somebody_ends_it",
    ),
    Mutant(
        "a probe logs in only where the secret may go",
        "core/binding.py",
        "        return not goes_elsewhere(use.to, bound) if bound else lists(use.to.host)",
        "        return True",
        "tests/cli/test_probe_files.py::test_a_secret_goes_nowhere_new",
    ),
)
