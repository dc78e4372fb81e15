from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.quoting import quote, without_quotes
from reconciler.core.signature import Signer, without_signature

SIGNER = Signer(
    names=frozenset({"max expert"}),
    words=frozenset({"max", "expert"}),
    marks=frozenset({"max.expert@firm.example", "firm.example"}),
)

OUTLOOK_EN = "From: Desk <desk@acme.example>\nSent: Monday, 2 March 2026 10:00\nTo: Expert\nSubject: Invoice\n\nold"
OUTLOOK_DE = "Von: Desk\nGesendet: Montag, 2. März 2026 10:00\nAn: Expert\nCc: B\nBetreff: Rechnung\n\nold"
OUTLOOK_FR = "De : Desk\nEnvoyé : lundi 2 mars 2026 10:00\nÀ : Expert\nObjet : Facture\n\nold"
OUTLOOK_ES = "De: Desk\nEnviado el: lunes, 2 de marzo de 2026 10:00\nPara: Expert\nAsunto: Factura\n\nold"
OUTLOOK_IT = "*Da:* Desk\n*Inviato:* lunedì 2 marzo 2026 10:00\n*A:* Expert\n*Oggetto:* Fattura\n\nold"


@pytest.mark.parametrize(
    "quoted",
    [
        "> old\n> older",
        "On Mon, 2 Mar 2026 at 10:00, Desk <desk@acme.example> wrote:\n> old\n>\n>> older",
        "On Mon, 2 Mar 2026 at 10:00, Desk <desk@acme.example> wrote:\n\nold without marks",
        "On Mon, 2 Mar 2026 at 10:00, The Very Long Desk\n<reply+x@acme.example>\nwrote:\n\n> old",
        "Am 02.03.2026 um 10:00 schrieb Desk <desk@acme.example>:\n> old",
        "Am 02.03.2026 um 10:00 schrieb Desk:\n\nold",
        "Desk <desk@acme.example> schrieb am Mo., 2. März 2026, 10:00:\n\n> old",
        "Le lun. 2 mars 2026 à 10:00, Desk <desk@acme.example> a écrit :\n> old",
        "El lun, 2 mar 2026 a las 10:00, Desk (<desk@acme.example>) escribió:\n> old",
        "Il giorno lun 2 mar 2026 alle ore 10:00 Desk <desk@acme.example> ha\nscritto:\n> old",
        "2026-03-02 10:00 GMT+01:00 Desk <desk@acme.example>:\n\nold",
        "-----Original Message-----\nold",
        "-----Ursprüngliche Nachricht-----\nold",
        "-------- Message d'origine --------\nold",
        "-----Mensaje original-----\nold",
        "-----Messaggio originale-----\nold",
        "---------- Forwarded message ---------\nold",
        "Begin forwarded message:\n\nold",
        "________________________________\n" + OUTLOOK_EN,
        OUTLOOK_DE,
        OUTLOOK_FR,
        OUTLOOK_ES,
        OUTLOOK_IT,
        OUTLOOK_EN.replace("\n", "\r\n"),
    ],
    ids=lambda text: text[:40],
)
def test_what_was_written_before_goes(quoted):
    assert without_quotes(f"The answer.\n\nSecond part.\n\n{quoted}\n") == "The answer.\n\nSecond part."


@pytest.mark.parametrize(
    "text",
    [
        "The customer wrote:\nhis invoice is wrong. I agree.",
        "On 3 May 2026 at 10:00 we saw the error:\nit is fixed now.",
        "Am 3. Mai 2026 schrieb der Kunde etwas anderes.\nDas gilt.",
        "From: Berlin\nTo: Hamburg\nDate: 3 May 2026\nis the journey.",
        "a > b and b > c",
        "Subject: this is about the subject.",
        "-----\nA divider above.",
        ">From here on all is well.",
    ],
    ids=lambda text: text[:30],
)
def test_what_only_looks_like_a_quote_stays(text):
    assert without_quotes(text) == text


def test_an_answer_between_and_below_quotes_stays():
    text = "Am 02.03.2026 um 10:00 schrieb Desk <desk@acme.example>:\n> one?\nYes.\n> two?\nNo.\n"
    assert without_quotes(text) == "Yes.\nNo."


def test_a_mail_of_quotes_alone_is_empty():
    assert without_quotes("On 2 Mar 2026 at 10:00, Desk <d@acme.example> wrote:\n\nold\n\nanswer far below") == ""


@pytest.mark.parametrize(
    "signature",
    [
        "-- \nMax Expert\nFirm Ltd\n+49 30 1234567",
        "--\nMax Expert",
        "Kind regards,\nMax Expert\nFirm Ltd\nPhone: +49 30 1234567\nwww.firm.example",
        "Best regards\n\nMax",
        "Cheers, Max",
        "Mit freundlichen Grüßen\n\nMax Expert\nAbteilung Technik",
        "Mit freundlichem Gruß\ni. A. M. Expert",
        "Viele Gruesse Max",
        "Cordialement,\nMax Expert",
        "Un saludo,\nMax Expert",
        "Cordiali saluti\nMax Expert",
        "Max Expert\nTel. 030 1234567\nhttps://www.firm.example",
        "max.expert@firm.example\nTel. 030 1234567",
        "Sent from my phone",
        "Max\n\nVon meinem iPhone gesendet",
        "Expert, Max",
        "Kind regards,\n-- \nMax Expert",
        "Beste Grüße\nDr. Max Expert (Leitung)\nTel. 1",
    ],
    ids=lambda text: text.replace("\n", "|")[:40],
)
def test_a_signature_goes(signature):
    assert without_signature(f"The answer.\n\n{signature}\n", SIGNER) == "The answer."


@pytest.mark.parametrize(
    "text",
    [
        "Call our customers' line:\nTel. 030 1234567",
        "See the page:\nhttps://docs.example/fix",
        "Thanks for asking.\nIt works now.",
        "Order the part with this number:\n1234567",
        "The expert says it works.\nSo does max.",
        "Thanks\n\nThe expert opinion is that the invoice is right.",
        "Thanks\n\nMax says: it works.",
        "Best ask Max.",
        "one\n--\n" + "two\n" * 20 + "end",
    ],
    ids=lambda text: text[:30].replace("\n", "|"),
)
def test_what_only_looks_like_a_signature_stays(text):
    assert without_signature(text, SIGNER) == text


def test_a_link_above_the_name_stays():
    assert without_signature("See\nhttps://docs.example/fix\nMax", SIGNER) == "See\nhttps://docs.example/fix"


def test_words_of_thanks_that_answer_stay():
    assert without_signature("Thanks for asking, it works now.\nMax", SIGNER) == "Thanks for asking, it works now."


def test_a_postscript_stays():
    text = "The answer.\n\nKind regards\nMax Expert\n\nPS: bring the invoice."
    assert without_signature(text, SIGNER) == "The answer.\n\nPS: bring the invoice."


def test_a_quote_is_marked_line_by_line():
    assert quote("a\r\n\n> b") == "> a\n>\n>> b"


@given(st.text(max_size=300))
def test_a_quote_of_anything_is_nothing_new(text):
    assert without_quotes(quote(text)) == "" or ">From" in quote(text)


BLOCKS = [
    "On Mon, 2 Mar 2026 at 10:00\n",
    "From: a\n",
    "a" * 399 + "\n",
    "Max\n",
    "> x\n",
    "- ",
    "\n",
    "Tel. 1 2 3 4 5\n",
    "Sent from my\n",
    "-\n",
]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: repr(block[:12]))
def test_a_megabyte_of_anything_takes_no_more_than_its_share(block):
    def seconds(size: int) -> float:
        text = block * (size // len(block))
        begin = time.process_time()
        without_signature(without_quotes(text), SIGNER)
        return time.process_time() - begin

    # Quadratic work would take minutes here.
    assert seconds(1_000_000) < 5
