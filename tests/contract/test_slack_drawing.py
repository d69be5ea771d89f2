"""Slack: any card fits Slack's limits, and what it says is read as it was written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.platforms.slack.drawing import draw
from bot.platforms.slack.form import reason_view
from bot.platforms.slack.plain import cut, pieces, size, visible, whole_lines
from handlers.card import Button, Card, Field, Tone
from prompts.texts import LANGUAGES
from tests.doubles.slack_rules import check_message, check_view, units
from tests.doubles.slack_state import Message, Shown, shown

HOSTILE = (
    "<!channel> <@U1> <https://evil.example|ok> & &amp; *b* _i_ ~s~ "
    "`c` ```fence``` :skull: <b>x</b>"
)


def seen(card: Card, language: str = "en") -> Shown:
    drawing = draw(card, language)
    check_message({"text": drawing.text, "blocks": drawing.blocks})
    return shown(Message("C1", "1.1", "UBOT", drawing.text, drawing.blocks))


TEXTS = st.one_of(
    st.text(max_size=80),
    st.text(st.characters(exclude_categories=()), max_size=40),  # half characters and controls too
    st.sampled_from([HOSTILE, "\n", " ", "a\n" * 3000, "🧨" * 4000, "한" * 20_000, "x" * 9000]),
)
CARDS = st.builds(
    Card,
    text=TEXTS,
    title=TEXTS,
    tone=st.sampled_from(Tone),
    fields=st.lists(st.builds(Field, TEXTS, TEXTS), max_size=40).map(tuple),
    code=TEXTS,
    note=TEXTS,
    buttons=st.lists(
        st.builds(
            Button,
            label=TEXTS,
            token=st.text("abcdef0123456789", min_size=1, max_size=32),
            style=st.sampled_from(["plain", "good", "danger"]),
        ),
        max_size=30,
    ).map(tuple),
    overflow_name=st.text(max_size=300),
)


@settings(max_examples=150, deadline=None)
@given(CARDS, st.sampled_from(LANGUAGES))
def test_any_card_fits(card: Card, language: str) -> None:
    drawing = draw(card, language)
    check_message({"text": drawing.text, "blocks": drawing.blocks})
    if drawing.file is not None:
        assert drawing.file.name and drawing.file.content and "/" not in drawing.file.name
        drawing.file.content.encode("utf-8")


@settings(max_examples=60, deadline=None)
@given(CARDS, st.sampled_from(LANGUAGES))
def test_any_form_fits(card: Card, language: str) -> None:
    place = {"channel": "C1", "team": "T1", "message": "1.1", "thread": "1.0", "more": "x" * 9000}
    check_view(reason_view("a" * 32, place, card, language))


@pytest.mark.parametrize("where", ["text", "title", "code", "note", "label", "value", "button"])
def test_hostile_text_is_shown_as_it_is(where: str) -> None:
    hostile = HOSTILE[:75] if where == "button" else HOSTILE
    card = {
        "text": Card(text=hostile),
        "title": Card(title=hostile),
        "code": Card(code=hostile),
        "note": Card(note=hostile),
        "label": Card(fields=(Field(hostile, "v"),)),
        "value": Card(fields=(Field("l", hostile),)),
        "button": Card(text="x", buttons=(Button(hostile, "t"),)),
    }[where]
    read = seen(card)
    assert hostile in (read.buttons if where == "button" else read.text)


@given(st.text(max_size=300))
@settings(max_examples=100, deadline=None)
def test_what_fits_is_read_word_for_word(words: str) -> None:
    read = seen(Card(text=words, code=words, buttons=(Button("Go", "t"),)))
    if words.strip():
        assert read.code == visible(words)
        assert visible(words).split() == read.text.removesuffix(visible(words)).split()


@pytest.mark.parametrize(
    ("raw", "as_shown"),
    [
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("nul\x00", "nul\\x00"),
        ("abc\u202ecba", "abc\\u202ecba"),
        ("web\u200b-01", "web\\u200b-01"),
        ("half\ud83d", "half\\ud83d"),
        ("tag\U000e0061", "tag\\U000e0061"),
        ("line\r\nline\ttab", "line\nline\ttab"),
        ("over\rwritten", "over\\x0dwritten"),
        ("가족 👨‍👩‍👧 維運", "가족 👨‍👩‍👧 維運"),
    ],
)
def test_invisible_characters_are_made_visible(raw: str, as_shown: str) -> None:
    assert seen(Card(text=f"[{raw}]")).text == f"[{as_shown}]"


def test_code_that_fits_is_whole_and_has_no_file() -> None:
    code = "\n".join(f"web-{n:02d}: systemctl restart nginx" for n in range(60))
    drawing = draw(Card(code=code), "en")
    assert drawing.file is None
    assert seen(Card(code=code)).code == code


def test_long_code_is_cut_between_lines_and_whole_in_the_file() -> None:
    lines = [f"web-{n:04d}: systemctl restart nginx" for n in range(900)]
    card = Card(title="Plan", code="\n".join(lines), overflow_name="plan-17.txt")
    drawing = draw(card, "en")
    read = seen(card)
    assert drawing.file is not None
    assert drawing.file.name == "plan-17.txt"
    assert drawing.file.content == "\n".join(lines)
    assert set(read.code.split("\n")) <= set(lines)
    assert "plan-17.txt" in read.note


def test_what_else_was_cut_is_in_the_file_too() -> None:
    card = Card(title="T", text="word " * 2000, fields=(Field("k", "v"),), code="c", note="n")
    drawing = draw(card, "en")
    assert drawing.file is not None
    for part in ("T\n", "word " * 2000, "k: v", "\nc\n", "n\n"):
        assert part in drawing.file.content


def test_an_empty_card_is_still_a_message() -> None:
    assert seen(Card()).text == "–"
    assert seen(Card(text=" \n ", title="\t")).text == "–"


def test_buttons_keep_order_style_and_token() -> None:
    buttons = tuple(
        Button(f"Host {n}", f"tok{n}", style)
        for n, style in enumerate(["good", "danger", "plain", "plain", "plain", "plain", "good"])
    )
    drawing = draw(Card(text="Which?", buttons=buttons), "en")
    rows = [block["elements"] for block in drawing.blocks if block["type"] == "actions"]
    drawn: list[dict[str, Any]] = [button for row in rows for button in row]
    assert [b["value"] for b in drawn] == [f"tok{n}" for n in range(7)]
    assert [b.get("style") for b in drawn][:3] == ["primary", "danger", None]
    assert len({b["action_id"] for b in drawn}) == 7


@given(st.one_of(st.text(max_size=200), st.text("a\n🧨", max_size=200)), st.integers(2, 50))
@example("🧨🧨", 2)
@example("🧨" * 100, 50)
@settings(max_examples=150, deadline=None)
def test_cutting(words: str, limit: int) -> None:
    assert size(words) == units(words)
    assert limit - 3 < units(cut(words, limit)) <= limit or size(words) <= limit
    assert units(whole_lines(words, limit)) <= limit
    parts = pieces(words, limit)
    assert all(units(part) <= limit for part in parts)
    assert "".join("".join(parts).split()) == "".join(words.split())
