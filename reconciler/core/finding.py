"""Findings: what is wrong in a file, where, and how to mend it; the catalogue of their stable codes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """An error keeps a unit from being applied; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


def severity_of(code: str) -> Severity:
    """E… is an error, W… a warning."""
    return Severity.WARNING if code.startswith("W") else Severity.ERROR


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing to mend. Lines and columns count from 1; a finding about a whole file stands at 1:1.

    `file` is relative to the accounts folder, `pointer` an RFC 6901 JSON pointer, `unit` the tenant it holds
    ("main" for main.yaml, "" if no single unit is concerned).
    """

    file: str
    line: int
    column: int
    pointer: str
    code: str
    message: str
    unit: str = ""

    @property
    def severity(self) -> Severity:
        """From the code: E… is an error, W… a warning."""
        return severity_of(self.code)

    @property
    def help(self) -> str:
        """The catalogue's sentence for the code: what it means and how to mend it in general."""
        return CATALOGUE[self.code].help


@dataclass(frozen=True, slots=True)
class CodeEntry:
    """A code's title and its one-sentence help."""

    title: str
    help: str


CATALOGUE: dict[str, CodeEntry] = {
    "E001": CodeEntry(
        "unreadable file",
        "The file cannot be read; check its permissions and that it is a regular file inside the folder.",
    ),
    "E002": CodeEntry(
        "file too large",
        "A file may have 256 KB; make a folder of the tenant and spread its accounts over several files.",
    ),
    "E003": CodeEntry("not UTF-8", "Files are UTF-8 text; save the file with that encoding."),
    "E004": CodeEntry("not YAML", "The text is not YAML; the message says where the reader stopped."),
    "E005": CodeEntry("nested too deep", "Nothing in these files needs more than 40 levels; flatten it."),
    "E006": CodeEntry("alias or anchor", "Anchors (&x) and aliases (*x) are not allowed; write the value out."),
    "E007": CodeEntry("tag", "Tags (!x) are not allowed; write plain values."),
    "E008": CodeEntry("directive", "YAML directives (%YAML, %TAG) are not allowed; remove the line."),
    "E009": CodeEntry("duplicate key", "A key may stand once in a map; remove one of the two."),
    "E010": CodeEntry(
        "several documents", "A file holds one document; remove the `---` in the middle or split the file."
    ),
    "E011": CodeEntry("not a map", "The file must hold a map of keys such as version, tenant and accounts."),
    "E012": CodeEntry("key is not text", "Keys are plain words; quote it if it is meant as text."),
    "E101": CodeEntry("wrong ending", "Account files end in .yaml; rename the file."),
    "E102": CodeEntry(
        "file and folder of one tenant",
        "A tenant is a file or a folder, not both; move the file's contents into the folder's tenant.yaml.",
    ),
    "E103": CodeEntry("nested folder", "A tenant's folder holds files only; move them up."),
    "E104": CodeEntry("tenant and name differ", "`tenant:` must equal the file's stem or the folder's name."),
    "E105": CodeEntry(
        "bad tenant name", "A tenant's name is made of a-z, 0-9 and single hyphens between them, 40 characters at most."
    ),
    "E106": CodeEntry("reserved name", "`main` stands for the two main accounts; give the tenant another name."),
    "E107": CodeEntry(
        "main.yaml missing", "The folder must hold main.yaml with the two main accounts; without it nothing advances."
    ),
    "E108": CodeEntry("tenant.yaml missing", "A tenant's folder needs a tenant.yaml for all but further accounts."),
    "E109": CodeEntry(
        "key belongs into tenant.yaml", "Only tenant.yaml may hold this key; the folder's other files hold accounts."
    ),
    "E110": CodeEntry(
        "not a regular file",
        "Links that lead out of the folder, dead links, pipes and devices are not read; remove it.",
    ),
    "E111": CodeEntry("bad file name", "The name cannot be read as UTF-8 text; rename the file."),
    "E112": CodeEntry("empty tenant folder", "The folder holds no .yaml file; fill or remove it."),
    "E201": CodeEntry("unknown key", "No such key exists here; docs/reference.md lists them all."),
    "E202": CodeEntry("missing key", "This key is required."),
    "E203": CodeEntry("wrong type", "The value has the wrong type."),
    "E204": CodeEntry("value not allowed", "The value is outside what the key allows."),
    "E205": CodeEntry(
        "literal secret",
        "Secrets are references: write {secret: NAME} and store the value outside the repository; change a password that was committed.",
    ),
    "E206": CodeEntry("unknown version", "This program reads version: 1."),
    "E207": CodeEntry("not in main.yaml", "main.yaml holds version and the two main accounts only."),
    "E208": CodeEntry("protocol block missing", "The account needs the settings block named by `protocol:`."),
    "E209": CodeEntry("unknown protocol", "No installed plug-in offers this protocol."),
    "E210": CodeEntry("block of another protocol", "Only the block named by `protocol:` may stand; remove the other."),
    "E211": CodeEntry("unknown channel", "No installed plug-in offers this channel; system accounts always use email."),
    "E301": CodeEntry("duplicate account id", "Ids are unique in a tenant; rename one account."),
    "E302": CodeEntry(
        "two accounts on one mailbox", "A mailbox (host and username, or path) may be read by one account only."
    ),
    "E303": CodeEntry("two accounts with one address", "An address belongs to one account only."),
    "E304": CodeEntry(
        "main accounts",
        "main.yaml needs exactly one account of type reply and one of type second-level-reply, both enabled.",
    ),
    "E305": CodeEntry("default unclear", "Of several system accounts of a type exactly one says default: true."),
    "E306": CodeEntry("unknown account", "The account named here does not exist in this tenant or has another type."),
    "E307": CodeEntry(
        "cannot send", "A system account needs smtp or send_from, so that forwards and inquiries can go out."
    ),
    "E308": CodeEntry(
        "From domain not covered",
        "The sending account neither has this domain nor lists it in sends_for; mail would fail SPF and DMARC.",
    ),
    "E309": CodeEntry("no TLS", "security: none is for loopback only; use tls or starttls."),
    "E310": CodeEntry("login incomplete", "username and password, or username and oauth, go together."),
    "E311": CodeEntry("duplicate rule id", "Rule ids are unique in a tenant."),
    "E312": CodeEntry(
        "template not allowed", "Templates take names, if and for over given lists; no calls, filters or arithmetic."
    ),
    "E313": CodeEntry(
        "rule test failed", "The rules do something else than the test expects; mend the rule or the test."
    ),
    "E314": CodeEntry(
        "address too long for tokens",
        "With subaddressing the local part may have 29 characters, so that 34 characters of token fit into 64.",
    ),
    "E315": CodeEntry("key of another account type", "This key has no meaning for an account of this type; remove it."),
    "E316": CodeEntry("plug-in settings", "The plug-in that owns this key of settings refuses its value."),
    "E317": CodeEntry("two ways to send", "smtp and send_from exclude each other; keep one of them."),
    "E318": CodeEntry(
        "too many rule tests", "All tests together may compare 2,000,000 times; remove tests, rules or conditions."
    ),
    "E319": CodeEntry(
        "reserved secret", "main/token-keys signs the tokens in outgoing mail; an account needs a secret of its own."
    ),
    "E320": CodeEntry(
        "rule action not possible", "The rule asks for something that cannot be done; the message says why."
    ),
    "E401": CodeEntry("host not allowed", "The operators' policy lists the hosts that accounts may connect to."),
    "E402": CodeEntry("TLS below the policy's floor", "The operators' policy wants more TLS than this connection has."),
    "E403": CodeEntry("beyond the policy's limits", "The operators' policy limits accounts, weights and polling."),
    "E411": CodeEntry(
        "policy unreadable", "The policy file is missing or is no YAML; nothing is planned or applied without it."
    ),
    "E412": CodeEntry("unknown key in the policy", "No such key exists in a policy file."),
    "E413": CodeEntry("wrong value in the policy", "The key is missing or its value is not allowed."),
    "W101": CodeEntry("ignored file", "Only .yaml files are read; move other files out of the accounts folder."),
    "W201": CodeEntry("no account", "The tenant has no account of its own; only the main accounts serve it."),
    "W202": CodeEntry(
        "no inbound account", "The tenant has no enabled inbound account, so customers cannot write to it."
    ),
    "W203": CodeEntry(
        "inbound account cannot send",
        "Neither smtp nor send_from: answers to customers go out through the reply account.",
    ),
    "W204": CodeEntry(
        "rule never reached", "A rule before it matches every mail this one does; change the order or remove it."
    ),
    "W205": CodeEntry("rule never hit", "No mail can satisfy these conditions; mend or remove the rule."),
    "W301": CodeEntry(
        "server does not serve",
        "Only with --probe: the server could not be reached, or does not protect its connections as the file says.",
    ),
    "W302": CodeEntry(
        "login does not work",
        "Only with --probe: the server serves, and the login or the look into the mailbox failed.",
    ),
}
