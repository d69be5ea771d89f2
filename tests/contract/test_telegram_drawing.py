"""Cards on Telegram: within every limit, and foreign text stays text."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.platforms.telegram.calls import keyboard
from bot.platforms.telegram.drawing import LIMIT, clean, draw, plain, shorten, utf16
from handlers.card import Button, Card, Field, Tone
from prompts.texts import LANGUAGES, say, text
from tests.doubles.telegram_faults import Pace
from tests.doubles.telegram_markup import live, parse_html
from tests.doubles.telegram_methods import Methods, Params
from tests.doubles.telegram_state import Chat, State

_FRAGMENTS = st.sampled_from(
    [
        "<b>", "</b>", "<a href='x'>", "&amp;", "&", "<", ">", "[x](y)", "@admin", "@channel",
        "https://evil.example/x", "evil.example", "/approve_17", "#tag", "$CASH", "me@evil.example",
        "tg://user?id=1", " ", "\n", "\r\n", "\t", "😀", "가나다", "繁體", "\x1b[31m", "\u202e",
        "\x00", "\ud800", "`", "*", "_", "word ", "x" * 300, "@a " * 60,
    ]
)  # fmt: skip
_TEXT = st.lists(_FRAGMENTS | st.text(max_size=20), max_size=30).map("".join)
_LONG = _TEXT | _TEXT.map(lambda data: data * 60)
_CARDS = st.builds(
    Card,
    text=_LONG,
    title=_TEXT,
    tone=st.sampled_from(Tone),
    fields=st.lists(st.builds(Field, _TEXT, _LONG), max_size=30).map(tuple),
    code=_LONG,
    note=_TEXT,
    buttons=st.lists(
        st.builds(
            Button,
            label=_TEXT,
            token=st.text("abcXYZ019_-", min_size=1, max_size=32),
            style=st.sampled_from(["plain", "good", "danger"]),
        ),
        max_size=12,
    ).map(tuple),
    overflow_name=st.sampled_from(["details.txt", "../../etc/passwd", "", "계획.txt"]),
)


def _shown(card: Card, language: str = "en"):  # type: ignore[no-untyped-def]
    """The card through the double's own checks."""
    drawn = draw(card, language)
    state = State(1, "bot")
    state.chats[5] = Chat(5, "private")
    markup = keyboard(drawn)
    fields = {"chat_id": "5", "text": drawn.html, "parse_mode": "HTML"}
    if markup is not None:
        fields["reply_markup"] = markup.to_json()
    Methods(state, Pace(), lambda: 0.0).send_message(Params(fields))
    [shown] = state.chats[5].messages.values()
    assert state.violations == []
    return drawn, shown


@settings(max_examples=150, deadline=None)
@given(_CARDS, st.sampled_from(LANGUAGES))
def test_any_card_is_taken_and_nothing_in_it_is_alive(card: Card, language: str) -> None:
    drawn, shown = _shown(card, language)
    assert shown.links == []
    assert utf16(drawn.plain) <= LIMIT
    assert shown.text == drawn.plain.strip()
    assert drawn.file_name == "" or drawn.file_name.isascii()
    drawn.file_text.encode()  # no lone surrogates
    if not drawn.file_text:
        for part in (card.text, card.title, card.note, card.code):
            assert clean(part).strip() in shown.text


@given(_TEXT)
def test_what_is_cut_is_in_the_file(data: str) -> None:
    card = Card(title="Plan", text=data, code=f"{data}\nrun {'x' * 5000} end")
    drawn, shown = _shown(card)
    assert clean(card.code).strip("\n") in drawn.file_text
    assert say(text("telegram_overflow", name="details.txt"), "en") in shown.text


def test_foreign_markup_is_shown_as_it_was_written() -> None:
    foreign = "<b>bold</b> &amp; [x](y) *z* `q` <https://evil|ok> <!channel>"
    card = Card(
        title=foreign, text=foreign, fields=(Field("f", foreign),), code=foreign, note=foreign
    )
    _, shown = _shown(card)
    assert shown.text.count(foreign) == 5
    assert shown.links == []


def test_a_plain_card_reads_well() -> None:
    card = Card(
        title="17 server_restart",
        tone=Tone.WAITING,
        text="Restart of web01 waits for approval.",
        fields=(Field("Risk", "HIGH"), Field("Host", "web01.example.com")),
        code="systemctl restart nginx",
        note="Expires in 24 hours",
        buttons=(Button("Approve", "t1", "good"), Button("Reject", "t2", "danger")),
    )
    drawn, shown = _shown(card)
    assert drawn.html == (
        "⏳ <b>17 server_restart</b>\n"
        "Restart of web01 waits for approval.\n"
        "<b>Risk</b>: HIGH\n"
        "<b>Host</b>: <code>web01.example.com</code>\n"
        "<pre>systemctl restart nginx</pre>\n"
        "<i>Expires in 24 hours</i>"
    )
    assert [[key.label for key in row] for row in shown.rows] == [["Approve", "Reject"]]
    assert drawn.rows[0][1] == ("Reject", "t2", "danger")


def test_long_code_is_cut_within_its_block_and_only_the_code_is_the_file() -> None:
    code = "".join(f"line {n} <tag> & 😀\n" for n in range(1000))
    drawn, shown = _shown(Card(title="Output", code=code, overflow_name="web01.log"))
    visible, entities = parse_html(drawn.html)
    block = next(e for e in entities if e.type == "pre")
    assert visible[block.start : block.end].endswith("…")
    assert utf16(visible) > LIMIT - 200  # the room there is, is used
    assert (drawn.file_name, drawn.file_text) == ("web01.log", code.strip("\n"))
    assert live(visible, entities) == shown.links == []


def test_a_card_that_fits_to_the_last_unit_is_not_cut() -> None:
    drawn, _ = _shown(Card(code="😀" * 2048))
    assert drawn.file_text == ""
    drawn, _ = _shown(Card(code="😀" * 2048 + "x"))
    assert drawn.file_text == "😀" * 2048 + "x"


def test_many_lively_words_do_not_pass_the_limit_of_entities() -> None:
    drawn, shown = _shown(
        Card(title="hosts", text="\n".join(f"h{n}.example.com" for n in range(150)))
    )
    assert drawn.html.startswith("<pre>")
    assert shown.text.endswith("h149.example.com")
    assert len(shown.entities) == 1


def test_what_cannot_be_seen_is_made_visible() -> None:
    assert clean("a\x1b[31m\r\nb\u202ec\x00\x7f\u200b\x85") == "a␛[31m\nb\\u202ec␀␡\\u200b\\u0085"
    assert clean("👩\u200d💻 한글\t1") == "👩\u200d💻 한글\t1"


def test_an_empty_card_is_still_a_message() -> None:
    assert _shown(Card())[1].text == "–"
    assert _shown(Card(text=" \n "))[1].text == "–"


def test_words_alone_keep_their_tone() -> None:
    assert _shown(Card(text="done", tone=Tone.GOOD))[1].text == "✅ done"
    assert plain(Card(text="done <b>", tone=Tone.GOOD)) == "✅ done <b>"


def test_long_labels_get_lines_of_their_own() -> None:
    labels = ["PRD web server in Seoul", "PRD web server in Taipei", "No", "Yes", "Later"]
    card = Card(text="Which?", buttons=tuple(Button(x, f"t{n}") for n, x in enumerate(labels)))
    _, shown = _shown(card)
    assert [len(row) for row in shown.rows] == [1, 2, 2]
    assert shown.buttons == labels


@given(st.text(max_size=60), st.integers(2, 40))
def test_shortened_text_keeps_its_limit(data: str, limit: int) -> None:
    short = shorten(data, limit)
    assert utf16(short) <= limit
    assert short == data or (short.endswith("…") and data.startswith(short[:-1]))
