from __future__ import annotations

from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.errors import Invalid
from reconciler.core.template import ALLOWED_NAMES, TemplateSource, check, parse_template, render

VALUES = {
    "case": 7,
    "subject": "Invoice 12",
    "tenant_name": "Acme",
    "customer_name": "",
    "agent": "agent@acme.example",
    "text": "Please look at this.",
    "quoted": "> It is wrong.\n> Please help.",
    "contact_name": "Expert",
}


def in_text(text: str) -> TemplateSource:
    return TemplateSource("s", text)


def shipped(name: str, language: str = "en") -> TemplateSource:
    return parse_template((files("reconciler") / "templates" / language / f"{name}.txt").read_text("utf-8"))


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_shipped_template_has_its_names_and_keeps_the_rules(language):
    folder = files("reconciler") / "templates" / language
    assert {entry.name.removesuffix(".txt") for entry in folder.iterdir()} == set(ALLOWED_NAMES)
    assert [check(shipped(name, language), name) for name in ALLOWED_NAMES] == [()] * len(ALLOWED_NAMES)


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("name", ALLOWED_NAMES)
def test_a_shipped_template_renders_with_what_it_is_given_and_with_nothing(name, language):
    given = dict.fromkeys(ALLOWED_NAMES[name], "word")
    full = render(shipped(name, language), given)
    empty = render(shipped(name, language), dict.fromkeys(given, ""))
    assert "word" in full.text
    assert "word" not in empty.text
    assert "{" not in full.text + full.subject + empty.text + empty.subject
    assert "\n\n\n" not in full.text


@pytest.mark.parametrize("language", ["en", "de"])
def test_an_external_without_a_name_is_shown_by_address(language):
    values = dict.fromkeys(ALLOWED_NAMES["agent"], "") | {"contact_address": "expert@partner.example"}
    assert render(shipped("agent", language), values).text.startswith("expert@partner.example ")


def test_the_forward_quotes_the_customer_and_asks_for_an_answer_by_reply():
    rendered = render(shipped("forward"), VALUES)
    assert rendered.subject == "[Acme 7] Invoice 12"
    assert rendered.text == (
        "Please look at this.\n\n"
        "A customer of Acme wrote:\n\n"
        "> It is wrong.\n> Please help.\n\n"
        "Please answer by replying to this mail and leave its reply address as it is.\n"
    )
    assert render(shipped("forward"), VALUES | {"text": ""}).text.startswith("A customer of Acme wrote:")


@pytest.mark.parametrize("name", ["reply", "relay"])
def test_without_a_quote_the_customer_gets_the_words_alone(name):
    rendered = render(shipped(name), VALUES | {"quoted": ""})
    assert (rendered.subject, rendered.text) == ("Re: Invoice 12", "Please look at this.\n")


@pytest.mark.parametrize("name", ["reply", "relay"])
def test_with_a_quote_it_follows_the_words(name):
    assert render(shipped(name), VALUES).text == (
        "Please look at this.\n\nYou wrote:\n\n> It is wrong.\n> Please help.\n"
    )


def test_a_relay_has_no_word_for_the_contact():
    source = in_text("{{ contact_name }}")
    assert check(source, "forward") == ()
    assert "contact_name" in check(source, "relay")[0].message


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "{{ text }} {{ case }}",
        "{% if text and not quoted or agent %}a{% elif subject == 'x' %}b{% else %}c{% endif %}",
        "{% if subject != 'x' %}a{% endif %}",
        "{% for line in quoted %}| {{ line }}{% endfor %}",
        "{# a remark #}",
    ],
)
def test_text_names_if_and_for_are_allowed(text):
    assert check(in_text(text)) == ()


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'a'*200000000 }}",
        "{{ 2**99999999 }}",
        "{{ text.__class__ }}",
        "{{ text['x'] }}",
        "{{ text[0] }}",
        "{{ text() }}",
        "{{ text|upper }}",
        "{{ text ~ text }}",
        "{{ [text] }}",
        "{{ {'a': text} }}",
        "{{ text if agent else case }}",
        "{{ text is defined }}",
        "{{ 'constant' }}",
        "{{ password }}",
        "{{ self }}",
        "{{ loop }}",
        "{{ range }}",
        "{% if text in agent %}{% endif %}",
        "{% if case > 'a' %}{% endif %}",
        "{% if case == 7 %}{% endif %}",
        "{% if 'a'*9 == text %}{% endif %}",
        "{% for x in range(9) %}{% endfor %}",
        "{% for x in [1, 2] %}{% endfor %}",
        "{% for x in 'abc' %}{% endfor %}",
        "{% for a, b in text %}{% endfor %}",
        "{% for x in text if agent %}{% endfor %}",
        "{% for x in text recursive %}{% endfor %}",
        "{% for x in text %}{% else %}{{ x }}{% endfor %}",
        "{% for agent in text %}{% endfor %}",
        "{% for x in text %}{% for y in text %}{% endfor %}{% endfor %}",
        "{% for x in text %}{% if agent %}{% for y in text %}{% endfor %}{% endif %}{% endfor %}",
        "{% for x in text %}{% endfor %}" * 4,
        "{% for x in text %}{% endfor %}{{ x }}",
        "{% set x = text %}",
        "{% macro m() %}{% endmacro %}",
        "{% include 'x' %}",
        "{% extends 'x' %}",
        "{% import 'x' as y %}",
        "{% block b %}{% endblock %}",
        "{% filter upper %}{% endfilter %}",
        "{% call text() %}{% endcall %}",
        "{% with %}{% endwith %}",
        "{{ text",
        "{% if text %}",
        "{{ " + "(" * 9000 + "text" + ")" * 9000 + " }}",
        "{% if " + "not " * 7000 + "text %}{% endif %}",
        "{% if text %}" * 30 + "{% endif %}" * 30,
        "x" * 40_000,
    ],
    ids=lambda text: text[:60],
)
def test_everything_else_is_a_problem_and_is_not_rendered(text):
    source = in_text(text)
    assert check(source)
    with pytest.raises(Invalid):
        render(source, VALUES)


def test_problems_name_their_lines_and_the_subject_is_line_0():
    source = TemplateSource("{{ nobody }}", "one\n{{ text|upper }}\n{{ nobody }}\n")
    assert [problem.line for problem in check(source)] == [0, 2, 3]


def test_for_goes_through_lines_and_lists():
    source = in_text("{% for line in quoted %}[{{ line }}]{% endfor %}")
    assert render(source, {"quoted": "a\nb"}).text == "[a][b]"
    assert render(source, {"quoted": ["c", "d"]}).text == "[c][d]"


def test_a_name_without_value_is_an_error():
    with pytest.raises(Invalid, match="agent"):
        render(in_text("{{ agent }}"), {})


def test_a_value_is_never_a_template_itself():
    assert render(in_text("{{ text }}"), {"text": "{{ agent }}<b>"}).text == "{{ agent }}<b>"


@given(st.text(max_size=80))
def test_the_subject_is_one_line_whatever_the_value(value):
    subject = render(TemplateSource("Re: {{ subject }}", ""), {"subject": value}).subject
    assert len(subject.splitlines()) == 1


def test_output_above_256_kb_is_refused():
    source = in_text("{% for line in quoted %}{{ text }}{% endfor %}")
    assert render(source, {"quoted": "\n" * 255, "text": "x" * 1024}).text
    with pytest.raises(Invalid, match="256 KB"):
        render(source, {"quoted": "\n" * 99_999, "text": "x" * 1024})


def test_a_template_file_is_a_subject_an_empty_line_and_a_text():
    assert parse_template("Subject: a: b\r\n\r\none\r\n\r\ntwo\r\n") == TemplateSource("a: b", "one\n\ntwo\n")


@pytest.mark.parametrize("text", ["", "Subject: x", "Subject: x\ntext\n", "Hello\n\ntext", "\nSubject: x\n\ntext"])
def test_another_shape_of_file_is_refused(text):
    with pytest.raises(Invalid, match="Subject"):
        parse_template(text)
