"""Many rules asked at once answer as if each were asked in its order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.language import Language, detect
from reconciler.core.rule import Rule, When
from reconciler.core.rule_match import RuleBook, book_of, first_match
from reconciler.core.rule_reach import impossible, shadowed
from tests.core.test_rule import facts, rule

WORDS = st.sampled_from(["a", "ab", "straße", "STRASSE", ".*", "[x", "é", "İ", "invoice 7", "@b.example"])
TEXTS = WORDS | st.sampled_from(["\x00", "\ud800", "straSSe"])
CONDITION = st.fixed_dictionaries(
    {}, optional={key: st.lists(WORDS, min_size=1, max_size=2) for key in ("contains", "equals", "starts", "ends")}
)
WHEN = st.fixed_dictionaries(
    {},
    optional={
        "account": st.sampled_from(["support", "other"]),
        **dict.fromkeys(("from", "to", "subject"), CONDITION),
        "not": st.fixed_dictionaries({}, optional={"subject": CONDITION}),
        "any": st.fixed_dictionaries({}, optional={"subject": CONDITION, "from": CONDITION}),
    },
)


@given(st.lists(WHEN, max_size=8), st.lists(TEXTS, max_size=3), TEXTS, TEXTS)
def test_a_book_answers_as_the_rules_do(whens: list[Any], subject: list[str], sender: str, to: str) -> None:
    rules = [rule(when, rule_id=f"r{number}") for number, when in enumerate(whens)]
    known = facts(subject="".join(subject), sender=sender, recipients=(to, "x@b.example"))
    assert RuleBook(rules).first_match(known) == first_match(rules, known)


def test_a_book_is_made_once_for_the_same_rules() -> None:
    rules = (rule({"subject": {"contains": "x"}}),)
    assert book_of(rules) is book_of(rules)
    assert book_of(rules) is not book_of((rule({"subject": {"contains": "x"}}),))


# Languages

LETTERS = {
    Language.EN: "Hello, I have not received my order. Could you please tell me when it was sent?",
    Language.DE: "Guten Tag, ich habe meine Bestellung noch nicht erhalten. Bitte sagen Sie mir, wann sie kommt.",
    Language.FR: "Bonjour, je n'ai pas reçu ma commande. Pouvez-vous me dire quand elle est partie ? Merci.",
    Language.ES: "Hola, no he recibido mi pedido. ¿Me puede decir cuándo llega? Gracias por su ayuda.",
    Language.IT: "Buongiorno, non ho ricevuto il mio ordine. Quando arriva? Grazie della risposta.",
    Language.NL: "Goedendag, ik heb mijn bestelling nog niet ontvangen. Wanneer komt het pakket aan?",
    Language.PL: "Dzień dobry, nie mam jeszcze zamówienia. Kiedy przyjdzie? Dziękuję i pozdrawiam.",
    Language.PT: "Olá, a minha encomenda ainda não chegou. Quando é que você envia? Obrigado.",
    Language.SV: "Hej, jag har inte fått min beställning. När kommer det? Tack och vänliga hälsningar.",
    Language.CS: "Dobrý den, prosím, kdy přijde zásilka? Ještě ji nemám, už čekám. Děkuji.",
    Language.HU: "Tisztelt Cím! Még nem kaptam meg a csomagot. Kérem, mikor jön? Köszönöm.",
    Language.FI: "Hei, tilaus ei ole vielä tullut. Milloin se tulee? Kiitos. Ystävällisin terveisin",
    Language.RU: "Здравствуйте, мой заказ не пришёл. Когда он будет? Спасибо, с уважением",
    Language.TR: "Merhaba, siparişim ne zaman gelir? Lütfen bana yazın, teşekkürler.",
    None: "12345 ACME GmbH",
}


@pytest.mark.parametrize(("language", "letter"), LETTERS.items(), ids=[str(language) for language in LETTERS])
def test_a_letter_says_its_language(language: Language | None, letter: str) -> None:
    assert detect(letter) is language


@given(st.text(max_size=200))
def test_any_text_has_a_language_or_none(text: str) -> None:
    assert detect(text) in (*Language, None)


# Rules that are never hit

INBOUND = frozenset({"support"})


@pytest.mark.parametrize(
    ("when", "never"),
    [
        ({}, False),
        ({"account": "support"}, False),
        ({"account": ["support", "reply"]}, False),
        ({"account": "reply"}, True),
        ({"kind": ["bounce", "auto_reply"]}, True),
        ({"kind": ["bounce", "human"]}, False),
        ({"size": {"over": 10, "under": 12}}, False),
        ({"size": {"over": 10, "under": 11}}, True),
        ({"subject": {"equals": "abc", "contains": "B"}}, False),
        ({"subject": {"equals": "abc", "contains": "x"}}, True),
        ({"header": {"X-Spam": {"equals": "yes", "starts": "no"}}}, True),
        ({"any": {}}, True),
        ({"not": {}}, True),
        ({"subject": {"contains": "a"}, "not": {"subject": {"contains": "a"}}}, True),
        ({"all": {"kind": "bounce"}}, True),
    ],
    ids=str,
)
def test_a_rule_no_mail_satisfies_is_known(when: Any, never: bool) -> None:
    assert (impossible(When.model_validate(when), INBOUND) is not None) is never


@pytest.mark.parametrize(
    ("wide", "narrow", "hidden"),
    [
        ({}, {"subject": {"contains": "x"}}, True),
        ({"subject": {"contains": "voice"}}, {"subject": {"contains": "Invoice"}}, True),
        ({"subject": {"contains": "invoice"}}, {"subject": {"contains": "voice"}}, False),
        ({"subject": {"contains": ["a", "b"]}}, {"subject": {"contains": "a"}}, True),
        ({"subject": {"contains": "a"}}, {"subject": {"contains": ["a", "b"]}}, False),
        ({"subject": {"contains": "a"}}, {"subject": {"equals": "abc"}, "kind": "human"}, True),
        ({"kind": ["human", "list"]}, {"kind": "list"}, True),
        ({"kind": "list"}, {"kind": ["human", "list"]}, False),
        ({"size": {"over": 5}}, {"size": {"over": 6}}, True),
        ({"size": {"over": 5}}, {"size": {"over": 4}}, False),
        ({"header": {"X-Spam": {"equals": "yes"}}}, {"header": {"x-spam": {"equals": "YES"}}}, True),
        ({"not": {"kind": "human"}}, {"not": {"kind": "human"}, "account": "a"}, True),
        ({"not": {"kind": "human"}}, {"not": {"kind": "list"}}, False),
        ({"account": "a"}, {}, False),
    ],
    ids=str,
)
def test_a_rule_behind_a_wider_one_is_known(wide: Any, narrow: Any, hidden: bool) -> None:
    rules = [Rule.model_validate({"id": name, "when": w, "then": {}}) for name, w in (("a", wide), ("b", narrow))]
    assert list(shadowed(rules)) == ([(1, "a")] if hidden else [])
