"""A button press is always answered: with words in a box, by a message, or empty."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest

from bot.platforms.port import SendRetry
from bot.platforms.telegram.platform import TelegramPlatform
from bot.platforms.telegram.settings import TelegramSettings
from handlers.card import Button, Card
from storage.database import Database
from tests.doubles.telegram import Alert, LostReply, TelegramDouble, TooMany
from tests.doubles.telegram_rig import Keeper, Naps, draft, room, running

OPS = -1001
CARD = Card(title="17 server_restart", buttons=(Button("Approve", "tok-a", "good"),))


@pytest.fixture
async def tg() -> AsyncIterator[TelegramDouble]:
    async with TelegramDouble() as double:
        double.group(OPS, "ops")
        yield double
        assert double.violations == []


@pytest.fixture
def naps() -> Naps:
    return Naps()


@pytest.fixture
async def platform(tg: TelegramDouble, db: Database, naps: Naps) -> AsyncIterator[TelegramPlatform]:
    async with running(tg, db, naps=naps) as started:
        yield started


async def _press(tg: TelegramDouble, platform: TelegramPlatform) -> dict[str, object]:
    """A card is posted and somebody presses Approve; gives the event's context."""
    message = await platform.post(room(OPS), draft(CARD))
    callback = tg.user(111).press(OPS, int(message), "Approve")
    await tg.until(lambda: not tg.updates.pending)
    return {"message": int(message), "callback": callback}


async def test_a_press_is_answered_in_a_box(
    tg: TelegramDouble, platform: TelegramPlatform, naps: Naps
) -> None:
    context = await _press(tg, platform)
    await platform.whisper(room(OPS), "111", draft("You asked for this yourself.", **context))
    naps.end()
    assert tg.alerts(111) == [Alert("You asked for this yourself.", True)]
    assert len(tg.cards(OPS)) == 1
    assert len(tg.called("answerCallbackQuery")) == 1


async def test_a_press_that_gets_no_words_is_answered_empty(
    tg: TelegramDouble, platform: TelegramPlatform, naps: Naps
) -> None:
    context = await _press(tg, platform)
    assert naps.asked[-1] == TelegramSettings(tg.token).press_seconds and tg.alerts(111) == []
    naps.end()
    await tg.until(lambda: tg.alerts(111) == [Alert("", False)])
    # Words that come now are a message below the card.
    await platform.whisper(room(OPS), "111", draft("Decided by kim.", **context))
    assert tg.alerts(111) == [Alert("", False)]
    assert (tg.cards(OPS)[-1].text, tg.cards(OPS)[-1].reply_to) == (
        "Decided by kim.",
        context["message"],
    )


@pytest.mark.parametrize(
    "card",
    [
        Card(text="x" * 201),
        Card(text="Which one?", buttons=(Button("web01", "t"),)),
        Card(text="plan", code="systemctl restart nginx"),
    ],
)
async def test_what_is_no_pop_up_is_a_message_that_the_pop_up_points_to(
    tg: TelegramDouble, platform: TelegramPlatform, card: Card
) -> None:
    context = await _press(tg, platform)
    await platform.whisper(room(OPS), "111", draft(card, **context))
    assert tg.alerts(111) == [Alert("The answer is in the message below.", False)]
    assert tg.cards(OPS)[-1].text.startswith(card.text[:50])


async def test_two_hundred_units_fit_in_the_box(
    tg: TelegramDouble, platform: TelegramPlatform
) -> None:
    context = await _press(tg, platform)
    await platform.whisper(room(OPS), "111", draft("😀" * 100, **context))
    assert tg.alerts(111) == [Alert("😀" * 100, True)]


async def test_a_press_too_old_gets_a_message(
    tg: TelegramDouble, platform: TelegramPlatform
) -> None:
    context = await _press(tg, platform)
    tg.methods.press_lifetime = -1
    await platform.whisper(room(OPS), "111", draft("Decided by kim.", **context))
    assert tg.cards(OPS)[-1].text == "Decided by kim."


async def test_a_late_empty_answer_is_no_error(
    tg: TelegramDouble, platform: TelegramPlatform, naps: Naps, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await _press(tg, platform)
    tg.methods.press_lifetime = -1
    naps.end()
    await tg.until(lambda: tg.called("answerCallbackQuery"))
    await platform.stop()
    assert not [r for r in caplog.records if r.levelno > logging.INFO]


async def test_an_answer_that_was_lost_is_tried_again(
    tg: TelegramDouble, platform: TelegramPlatform
) -> None:
    context = await _press(tg, platform)
    tg.faults.next("answerCallbackQuery", TooMany(1), LostReply())
    with pytest.raises(SendRetry) as retry:
        await platform.whisper(room(OPS), "111", draft("No.", **context))
    assert not retry.value.doubt
    with pytest.raises(SendRetry) as retry:
        await platform.whisper(room(OPS), "111", draft("No.", **context))
    assert retry.value.doubt
    await platform.whisper(room(OPS), "111", draft("No.", doubt=True, **context))
    assert tg.alerts(111) == [Alert("No.", True)]
    assert len(tg.cards(OPS)) == 1


async def test_a_repeated_press_is_answered_once(
    tg: TelegramDouble, platform: TelegramPlatform, naps: Naps, db: Database
) -> None:
    message = await platform.post(room(OPS), draft(CARD))
    tg.updates.repeat_next(3)
    tg.user(111).press(OPS, int(message), "Approve")
    await tg.until(lambda: not tg.updates.pending)
    naps.end()
    await tg.until(lambda: tg.alerts(111))
    await platform.stop()
    assert len(tg.called("answerCallbackQuery")) == 1
    assert len(await Keeper(db).kept()) == 1


async def test_a_press_that_comes_again_late_is_not_answered_again(
    tg: TelegramDouble, platform: TelegramPlatform, naps: Naps
) -> None:
    context = await _press(tg, platform)
    [update] = [u for u in tg.updates.handed_out if "callback_query" in u]
    await platform.whisper(room(OPS), "111", draft("No.", **context))
    tg.updates.repeat(update)
    await tg.until(lambda: not tg.updates.pending)
    naps.end()
    await platform.stop()
    assert len(tg.called("answerCallbackQuery")) == 1


async def test_a_press_from_before_a_restart_gets_its_words(
    tg: TelegramDouble, platform: TelegramPlatform, db: Database
) -> None:
    context = await _press(tg, platform)
    await platform.stop()
    async with running(tg, db) as again:
        await again.whisper(room(OPS), "111", draft("Decided by kim.", **context))
    assert tg.alerts(111) == [Alert("Decided by kim.", True)]


async def test_words_to_one_who_did_not_press_are_a_reply(
    tg: TelegramDouble, platform: TelegramPlatform
) -> None:
    asked = tg.user(111).says(OPS, "/approve 99")
    await platform.whisper(room(OPS), "111", draft("There is no 99.", message=asked))
    assert tg.cards(OPS)[-1].reply_to == asked


async def test_there_are_no_forms(platform: TelegramPlatform) -> None:
    assert not await platform.ask_reason(room(OPS), "111", "tok-r", draft(CARD))
