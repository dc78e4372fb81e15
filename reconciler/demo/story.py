"""The demo's acts: what happens, and how it is judged from outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from functools import partial

from reconciler.demo.stage import AGENT, Stage, header_of, text_of

CUSTOMER = {t: f"customer-{t}@customer.example" for t in ("acme", "globex", "initech")}
SUPPORT = {t: f"support@{t}.example" for t in CUSTOMER}
EXPERT, AWAY, GONE = "expert@expert.example", "away@expert.example", "gone@expert.example"
ENGINEER = "engineer@expert.example"
STRANGER = "stranger@stranger.example"
MAIN_REPLY, OWN_REPLY, SECOND_LEVEL = "reply@service.example", "reply@initech.example", "inquiry@service.example"

USERS = [*CUSTOMER.values(), EXPERT, AWAY, ENGINEER, STRANGER, AGENT]
UNKNOWN = [GONE]

ANSWER = "Hold the button for ten seconds, then it starts again."
INSIDE = "The part is on back order until May."
AUTOMATIC = "I am out of the office until further notice."
_BURST = 6
_BURSTS = 5


@dataclass(frozen=True, slots=True)
class Act:
    """One act: `play` makes something happen, `judge` looks from outside and says what it saw (None: not so)."""

    name: str
    title: str
    because: str
    play: Callable[[Stage], None]
    judge: Callable[[Stage], str | None]


def _customers_write(stage: Stage) -> None:
    for tenant, customer in CUSTOMER.items():
        stage.write(
            f"Customer <{customer}>", SUPPORT[tenant], f"Question to {tenant}", f"How do I restart it, {tenant}?"
        )


def _cases_are_open(stage: Stage) -> str | None:
    def done() -> bool:
        cases = stage.json("cases")["cases"]
        stage.notes |= {case["tenant"]: case["id"] for case in cases}
        return len(cases) == len(CUSTOMER)

    if not stage.until(lambda: not any(map(stage.unseen, SUPPORT.values()))) or not stage.until(done):
        return None
    return "three cases, one per tenant; all three mails are marked seen on the server"


def _agent_replies(stage: Stage) -> None:
    stage.command("reply", stage.notes["globex"], "--text", "Thank you, we are looking into it.")


def _reply_arrived(stage: Stage) -> str | None:
    customer = CUSTOMER["globex"]
    if not stage.until(lambda: stage.mail(customer, "we are looking into it") is not None):
        return None
    mail = stage.mail(customer, "we are looking into it")
    return f"the customer's mailbox holds it, From {header_of(mail, 'From')}" if mail is not None else None


def _forward(tenant: str, to: str) -> Callable[[Stage], None]:
    def play(stage: Stage) -> None:
        stage.command("forward", stage.notes[tenant], "--to", f"Expert <{to}>", "--text", "Can you help?")

    return play


def _forward_arrived(tenant: str, to: str, reply_to: str) -> Callable[[Stage], str | None]:
    def judge(stage: Stage) -> str | None:
        if not stage.until(lambda: stage.mail(to, f"restart it, {tenant}?") is not None):
            return None
        mail = stage.mail(to, f"restart it, {tenant}?")
        if mail is None or reply_to not in header_of(mail, "Reply-To"):
            return None
        stage.notes[to] = mail
        return f"the expert's mailbox holds it, Reply-To {header_of(mail, 'Reply-To')}"

    return judge


def _answer_to(stage: Stage, to: str) -> tuple[str, str, str]:
    """Address, subject and In-Reply-To of an answer to the forward that lies in the mailbox."""
    asked = stage.notes[to]
    address = header_of(asked, "Reply-To").rpartition("<")[2].rstrip(">")
    return address, f"Re: {header_of(asked, 'Subject')}", header_of(asked, "Message-ID")


def _expert_answers(stage: Stage) -> None:
    address, subject, asked = _answer_to(stage, EXPERT)
    text = f"{ANSWER}\n\n-- \nThe expert\n{EXPERT}\n"
    stage.write(f"Expert <{EXPERT}>", address, subject, text, f"In-Reply-To: {asked}")


def _answer_was_relayed(stage: Stage) -> str | None:
    customer = CUSTOMER["acme"]
    if not stage.until(lambda: stage.mail(customer, ANSWER) is not None):
        return None
    mail = stage.mail(customer, ANSWER)
    if mail is None or SUPPORT["acme"] not in header_of(mail, "From") or not mail["References"]:
        return None
    if EXPERT in str(mail) + text_of(mail):
        return None
    stage.notes["relay"] = mail
    sender = header_of(mail, "From")
    return f"the customer's mailbox holds it, From {sender}, in the case's thread, without the expert's address"


def _customer_answers(stage: Stage) -> None:
    relay = stage.notes["relay"]
    stage.write(
        f"Customer <{CUSTOMER['acme']}>",
        header_of(relay, "Reply-To").rpartition("<")[2].rstrip(">"),
        f"Re: {header_of(relay, 'Subject')}",
        "That worked, thank you.",
        f"In-Reply-To: {relay['Message-ID']}",
    )


def _case_continues(stage: Stage) -> str | None:
    def done() -> bool:
        entries = stage.json("case", stage.notes["acme"])["entries"]
        return any("That worked" in entry["text"] for entry in entries)

    if not stage.until(done) or stage.unseen(SUPPORT["acme"]):
        return None
    return f"it stands on case {stage.notes['acme']}; no new case was opened"


def _expert_is_away(stage: Stage) -> None:
    address, subject, asked = _answer_to(stage, AWAY)
    automatic = ("Auto-Submitted: auto-replied", "X-Auto-Response-Suppress: All", f"In-Reply-To: {asked}")
    stage.write(f"Expert <{AWAY}>", address, f"Automatic reply: {subject}", AUTOMATIC, *automatic)


def _nothing_reached_the_customer(stage: Stage) -> str | None:
    def done() -> bool:
        waiting = [r for r in stage.json("referrals")["referrals"] if r["contact"]["address"] == AWAY]
        return any(r["out_of_office_until"] for r in waiting)

    if (
        not stage.until(lambda: not stage.unseen(OWN_REPLY))
        or not stage.until(done)
        or stage.mails(CUSTOMER["initech"])
    ):
        return None
    return "the customer's mailbox is empty; the referral waits on and says: out of office"


def _forward_bounced(stage: Stage) -> str | None:
    def done() -> bool:
        asked = [r for r in stage.json("referrals")["referrals"] if r["contact"]["address"] == GONE]
        return any(r["state"] == "bounced" for r in asked)

    if not stage.until(done):
        return None
    reached = [m for m in stage.mails(CUSTOMER["globex"]) if "looking into it" not in text_of(m)]
    return None if reached else "the customer's mailbox holds nothing new; the referral says: bounced"


def _agent_inquires(stage: Stage) -> None:
    case = stage.notes["globex"]
    stage.command("inquire", case, "--to", f"Engineer <{ENGINEER}>", "--text", "When can we deliver?")
    if stage.until(lambda: stage.mail(ENGINEER, "When can we deliver?") is not None):
        stage.notes[ENGINEER] = stage.mail(ENGINEER, "When can we deliver?")


def _agent_reminds(stage: Stage) -> None:
    (waiting,) = stage.json("referrals", "--kind", "inquiry", "--waiting")["referrals"]
    stage.command("remind", waiting["id"])


def _reminder_arrived(stage: Stage) -> str | None:
    asked = stage.notes[ENGINEER]["Message-ID"]

    def reminders() -> list[Message]:
        return [m for m in stage.mails(ENGINEER) if header_of(m, "In-Reply-To") == asked]

    if not stage.until(lambda: len(reminders()) == 1):
        return None
    (stage.notes[ENGINEER],) = reminders()
    subject = header_of(stage.notes[ENGINEER], "Subject")
    return f"his mailbox holds it in the question's thread, in globex's language: {subject}"


def _engineer_was_asked(stage: Stage) -> str | None:
    asked = stage.notes.get(ENGINEER)
    if asked is None or SECOND_LEVEL.partition("@")[0] not in header_of(asked, "Reply-To"):
        return None
    return f"his mailbox holds it, Reply-To {header_of(asked, 'Reply-To')}"


def _engineer_answers(stage: Stage) -> None:
    address, subject, asked = _answer_to(stage, ENGINEER)
    stage.write(f"Engineer <{ENGINEER}>", address, subject, INSIDE, f"In-Reply-To: {asked}")


def _agent_has_the_answer(stage: Stage) -> str | None:
    if not stage.until(lambda: stage.mail(AGENT, INSIDE) is not None):
        return None
    notes = [e for e in stage.json("case", stage.notes["globex"])["entries"] if e["kind"] == "note"]
    reached = [m for m in stage.mails(CUSTOMER["globex"]) if INSIDE in text_of(m)]
    if reached or not any(INSIDE in note["text"] for note in notes):
        return None
    return "the agent's mailbox holds it, and the case as a note; the customer's mailbox does not"


def _stranger_writes(stage: Stage) -> None:
    subject = f"Re: [Acme {stage.notes['acme']}] Question to acme"
    stage.write(f"Stranger <{STRANGER}>", MAIN_REPLY, subject, "Please pay to my account instead.")


def _stranger_is_held(stage: Stage) -> str | None:
    if not stage.until(lambda: any(h["from"] == STRANGER for h in stage.json("held")["held"])):
        return None
    reached = [m for m in stage.mails(CUSTOMER["acme"]) if "Please pay" in text_of(m)]
    return None if reached else "it is held for the operators; the customer's mailbox does not hold it"


def _steps_since(stage: Stage, mark: int) -> list[int]:
    return [e["taken"] for e in stage.log()[mark:] if e["event"] == "step" and e.get("tenant") == "acme"]


def _burst(stage: Stage) -> None:
    for number in range(_BURST):
        stage.write(f"Customer <{CUSTOMER['acme']}>", SUPPORT["acme"], f"Mail {number}", "One of six at once.")


def _most_of_a_burst(stage: Stage) -> int:
    """The most mails that one step took of a burst; where a quick engine took each by itself, another burst is sent."""
    most = 0
    for _ in range(_BURSTS):
        mark = len(stage.log())
        _burst(stage)
        if not stage.until(partial(_is_taken, stage, mark)):
            break
        most = max(most, *_steps_since(stage, mark))
        if most > 1:
            break
    return most


def _is_taken(stage: Stage, mark: int) -> bool:
    return sum(_steps_since(stage, mark)) >= _BURST and not stage.unseen(SUPPORT["acme"])


def _weight_is_edited(stage: Stage) -> None:
    stage.notes["before"] = _most_of_a_burst(stage)
    stage.example.edit("acme.yaml", "weight: 5", "weight: 1")
    stage.until(lambda: any(e["event"] == "unit.applied" and e["unit"] == "acme" for e in stage.log()))
    stage.notes["mark"] = len(stage.log())
    _burst(stage)


def _weight_counts(stage: Stage) -> str | None:
    mark = stage.notes.get("mark")
    if mark is None or not stage.until(lambda: sum(_steps_since(stage, mark)) == _BURST):
        return None
    before, after = stage.notes["before"], _steps_since(stage, mark)
    if before <= 1 or max(after) != 1 or stage.unseen(SUPPORT["acme"]):
        return None
    return f"a step took up to {before} mails before the edit and {max(after)} after it; all are marked seen"


ACTS: tuple[Act, ...] = (
    Act(
        "customers-write",
        "customers write to three tenants",
        "every inbound account gets its step in each cycle",
        _customers_write,
        _cases_are_open,
    ),
    Act("reply", "an agent replies", "a reply goes out through the inbound account", _agent_replies, _reply_arrived),
    Act(
        "forward-main",
        "an agent forwards a case of acme to an expert",
        "acme has no reply account, so the main reply account serves it",
        _forward("acme", EXPERT),
        _forward_arrived("acme", EXPERT, MAIN_REPLY),
    ),
    Act(
        "forward-own",
        "an agent forwards a case of initech to an expert",
        "initech has a reply account of its own",
        _forward("initech", AWAY),
        _forward_arrived("initech", AWAY, OWN_REPLY),
    ),
    Act(
        "expert-answers",
        "the expert answers acme's question",
        "a person's answer to a forward goes on to the customer by itself",
        _expert_answers,
        _answer_was_relayed,
    ),
    Act(
        "customer-answers",
        "the customer answers the relayed mail",
        "our Message-ID in In-Reply-To is signed and names the case",
        _customer_answers,
        _case_continues,
    ),
    Act(
        "out-of-office",
        "initech's expert is away, and his server says so",
        "nothing automatic is ever relayed",
        _expert_is_away,
        _nothing_reached_the_customer,
    ),
    Act(
        "bounce",
        "a case of globex is forwarded to an address that does not exist",
        "a bounce is filed on the referral and never relayed",
        _forward("globex", GONE),
        _forward_bounced,
    ),
    Act(
        "inquiry",
        "an agent asks an engineer about the case of globex",
        "globex has no second-level reply account, so the main one serves it",
        _agent_inquires,
        _engineer_was_asked,
    ),
    Act(
        "reminder",
        "the engineer is silent, and the agent reminds him",
        "a reminder follows the question in its thread, with a token of its own",
        _agent_reminds,
        _reminder_arrived,
    ),
    Act(
        "engineer-answers",
        "the engineer answers the reminder",
        "the answer to an inquiry goes to the agent who asked, never to the customer",
        _engineer_answers,
        _agent_has_the_answer,
    ),
    Act(
        "stranger",
        "a stranger who knows a case number writes to the reply account",
        "a subject proves nothing; only signed tokens do",
        _stranger_writes,
        _stranger_is_held,
    ),
    Act(
        "weight",
        "an administrator edits acme's weight from 5 to 1 while all this runs",
        "the reconciler applies accepted files without a restart",
        _weight_is_edited,
        _weight_counts,
    ),
)
