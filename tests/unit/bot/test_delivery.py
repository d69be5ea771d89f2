"""The outbox reaches the rooms: in order, within their pace, until it arrives or is given up."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
import sqlalchemy as sa

from bot.platforms.port import SendGone, SendRefused, SendRetry
from prompts.texts import text
from storage import outbox, rooms
from storage.tables import outbox as table
from tests.doubles.room_double import Gate
from tests.unit.bot.conftest import Post, until


def texts(post: Post) -> list[str]:
    return [sent.card.text for sent in post.platform.sent]


async def row(post: Post, number: int) -> sa.Row[tuple[object, ...]]:
    async with post.db.read() as tx:
        found = await tx.one(sa.select(table).where(table.c.id == number))
    assert found is not None
    return found


async def test_words_arrive_in_the_order_they_were_said(post: Post) -> None:
    await post.say(*"abcdefgh")
    await post.quiet()
    assert texts(post) == list("abcdefgh")


async def test_a_slow_room_holds_no_other(post: Post) -> None:
    gate = Gate()
    post.platform.next.append(gate)
    await post.say("slow", room="one")
    await gate.reached.wait()
    await post.say("quick", room="two")
    await until(lambda: "quick" in texts(post))
    gate.opened.set()
    await post.quiet()


async def test_a_room_is_never_sent_to_faster_than_its_pace(post: Post) -> None:
    post.platform.per_room_interval = 0.05
    await post.say("a", "b", "c", room="one")
    await post.say("x", "y", room="two")
    await post.quiet()
    for room, count in (("one", 3), ("two", 2)):
        times = [at for where, at in post.platform.times if where == room]
        assert len(times) == count
        assert all(b - a >= 0.049 for a, b in pairwise(times)), times


async def test_a_whisper_overtakes_and_costs_the_room_nothing(post: Post) -> None:
    gate = Gate()
    post.platform.next.append(gate)
    post.platform.per_room_interval = 0.02
    await post.say("first", "second")
    await gate.reached.wait()
    await post.whisper("for you")
    await until(lambda: "for you" in texts(post))
    assert texts(post) == ["first", "for you"]
    gate.opened.set()
    await post.quiet()
    assert texts(post) == ["first", "for you", "second"]


async def test_a_whisper_is_in_the_language_of_its_person(post: Post) -> None:
    await post.whisper("x", user="U7")
    (sent,) = await post.calls(1)
    assert (sent.kind, sent.user, sent.draft.language) == ("whisper", "U7", "zh-TW")


async def test_what_must_be_sent_again_waits_its_time_and_keeps_its_order(post: Post) -> None:
    post.platform.next.append(SendRetry("429", delay=30))
    first, _ = await post.say("a", "b")
    await post.calls(1)
    await post.later(29)
    await post.calls(1)
    await post.later(1)
    await post.quiet()
    assert texts(post) == ["a", "a", "b"]
    assert [sent.draft.doubt for sent in post.platform.sent] == [False, True, False]
    assert {sent.draft.outbox_id for sent in post.platform.sent[:2]} == {first}


async def test_a_refusal_is_given_up_counted_and_holds_nobody(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    post.platform.next.append(SendRefused("bot was removed"))
    first, _ = await post.say("a", "b")
    await post.quiet()
    assert texts(post) == ["a", "b"]
    assert await post.given_up() == 1
    assert (await row(post, first)).error == "bot was removed"
    assert "bot was removed" in caplog.text


async def test_a_bug_in_a_platform_is_tried_again_ever_more_slowly(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    post.platform.next.extend([ValueError("bug"), ValueError("bug")])
    (first,) = await post.say("a")
    await post.calls(1)
    assert (await row(post, first)).not_before == post.clock.now + 1000
    await post.later(1)
    await post.calls(2)
    assert (await row(post, first)).not_before == post.clock.now + 2000
    await post.later(2)
    await post.quiet()
    assert texts(post) == ["a", "a", "a"]
    assert await post.given_up() == 0


async def test_what_cannot_arrive_for_a_day_is_given_up(post: Post) -> None:
    post.platform.next.extend([SendRetry("down", delay=60)] * 3)
    await post.say("old news", "fresh news")
    await post.calls(1)
    await post.later(24 * 3600)
    await post.calls(2)
    assert await post.given_up() == 0  # a day is not over a day
    await post.later(60)
    await post.quiet()
    assert await post.given_up() == 1
    assert texts(post)[-1] == "fresh news"


async def test_what_was_under_way_when_the_process_ended_is_sent_again_in_doubt(
    post: Post,
) -> None:
    gate = Gate()
    post.platform.next.append(gate)
    await post.say("a", "b")
    await gate.reached.wait()
    await post.kill()
    await post.start()
    await post.quiet()
    assert texts(post) == ["a", "a", "b"]
    first, again, _ = post.platform.sent
    assert again.draft.doubt and first.draft.outbox_id == again.draft.outbox_id


async def test_an_orderly_end_lets_what_is_on_its_way_arrive_and_keeps_the_rest(
    post: Post,
) -> None:
    gate = Gate()
    post.platform.next.append(gate)
    first, second = await post.say("a", "b")
    await gate.reached.wait()
    ending = asyncio.create_task(post.delivery.drain())
    await asyncio.sleep(0)
    gate.opened.set()
    await ending
    assert ((await row(post, first)).state, (await row(post, second)).state) == (
        "SENT",
        "WAITING",
    )
    await post.say("c")
    assert texts(post) == ["a"]


async def test_a_form_opens_for_its_person(post: Post) -> None:
    await post.form()
    await post.quiet()
    (form,) = post.platform.sent
    assert (form.kind, form.user, form.message) == ("form", "U1", "t" * 24)


async def test_without_a_form_the_person_hears_the_command_instead(post: Post) -> None:
    post.platform.forms = False
    await post.form()
    await post.quiet()
    form, whisper = post.platform.sent
    assert (form.kind, whisper.kind) == ("form", "whisper")
    assert "/reject 1" in whisper.card.text


@pytest.mark.parametrize("personal", [True, False])
async def test_a_parcel_that_cannot_be_drawn_is_given_up_and_blocks_nobody(
    post: Post, caplog: pytest.LogCaptureFixture, personal: bool
) -> None:
    where = await post.room()
    poison = {"text": {"key": "no_such_message", "values": {}}, "user": "U1"}
    async with post.db.write() as tx:
        if personal:
            await outbox.whisper(tx, where, poison)
        else:
            await outbox.say(tx, where, {"text": poison["text"]})
    await (post.whisper("after") if personal else post.say("after"))
    for seconds in (2, 4):
        await until(lambda: not post.delivery._busy)
        await asyncio.sleep(0.02)
        await post.later(seconds)
    await post.quiet()
    assert texts(post) == ["after"]
    assert await post.given_up() == 1
    assert len([r for r in caplog.records if "cannot be drawn" in r.message]) == 3


async def test_a_platform_that_is_not_connected_yet_gets_it_when_it_is(post: Post) -> None:
    async with post.db.write() as tx:
        where = (await rooms.seen(tx, "slack", "T1", "C1", "", "en")).id
        await outbox.say(tx, where, {"text": "to nobody"})
    await post.quiet()
    assert await post.given_up() == 1  # no such platform is configured
    post.links._trouble["web"] = text("link_connecting")
    await post.say("patience")
    await until(lambda: not post.delivery._busy)
    assert texts(post) == []
    del post.links._trouble["web"]
    await post.later(5)
    await post.quiet()
    assert texts(post) == ["patience"]


async def test_a_message_that_is_gone_is_only_for_edits(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    post.platform.next.append(SendGone("a post cannot be gone"))
    await post.say("a")
    await post.calls(1)
    await post.later(1)
    await post.quiet()
    assert texts(post) == ["a", "a"]
