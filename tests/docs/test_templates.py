"""docs/templates.md shows mails as they are written, and names every template."""

from __future__ import annotations

import pytest

from reconciler.core.template import ALLOWED_NAMES, render
from reconciler.runtime.letters import shipped_template
from tests.docs.pages import fences, page, rows

TEMPLATES = page("docs/templates.md")
LANGUAGES = {"en": "English", "de": "German"}
VALUES = {
    "case": "C17",
    "subject": "My parcel",
    "tenant_name": "Acme",
    "customer_name": "Carla Customer",
    "contact_name": "Erika Expert",
    "contact_address": "expert@partner.example",
    "agent": "agent@acme.example",
    "asked_on": "2026-03-02",
}
TEXTS = {
    ("en", "relay"): ("It left our house on Monday.", ""),
    ("de", "relay"): ("Es hat unser Haus am Montag verlassen.", ""),
    ("en", "reminder"): ("We need it by Friday.", "> Where is my parcel?"),
    ("de", "reminder"): ("Wir brauchen sie bis Freitag.", "> Wo ist mein Paket?"),
}


@pytest.mark.parametrize(("language", "name"), TEXTS, ids=" ".join)
def test_a_mail_is_shown_as_it_is_written(language: str, name: str) -> None:
    text, quoted = TEXTS[language, name]
    rendered = render(shipped_template(language, name), VALUES | {"text": text, "quoted": quoted})
    (shown,) = fences(TEMPLATES.section(f"A {name} in {LANGUAGES[language]}"))
    assert shown.text == f"Subject: {rendered.subject}\n\n{rendered.text}"


def test_each_template_is_named() -> None:
    assert {row[0].strip("`") for row in rows(TEMPLATES.section("The seven mails"), "template")} == ALLOWED_NAMES.keys()
