"""From talk among people to one offered check: who, where, how often, and what a press may do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from engine.actions.names import action_name
from engine.nudges import NudgeRule, Nudges, shipped
from engine.planning import Planner
from engine.risk import Level
from handlers.card import Button, Card
from handlers.nudges import hear
from prompts.texts import say, text
from storage import rooms
from storage.lifecycle import State
from storage.rooms import RoomListing
from storage.tables import audit
from tests.unit.handlers.stage import Stage

DISK = "디스크 용량이 꽉 찼대요"
NAMED = "pay-was-01 로그가 많이 쌓였어요"


def labels(card: Card) -> list[str]:
    return [button.label for button in card.buttons]


async def heard(stage: Stage, said: str, user: str = "min", **more: Any) -> list[Card]:
    return await stage.does(user, "overheard", said, **more)


async def offered(stage: Stage, said: str = NAMED, user: str = "min") -> Card:
    (card,) = await heard(stage, said, user)
    return card


def only(card: Card) -> Button:
    (button,) = card.buttons
    return button


def planner(stage: Stage) -> Planner:
    return stage.services.proposals.planner


def with_rules(stage: Stage, rules: list[NudgeRule], with_planner: Planner | None = None) -> None:
    nudges = Nudges(rules, with_planner or planner(stage))
    stage.router._services = replace(stage.services, nudges=nudges)


async def test_talk_is_answered_with_one_button_in_the_rooms_language(stage: Stage) -> None:
    card = await offered(stage)
    check = say(action_name("disk_status"), "en")
    assert labels(card) == [f"{check}: PAY-WAS-01"]
    assert card.text == say(text("nudges_offer_one", check=check, asset="PAY-WAS-01"), "en")
    assert "/nudges off disk_full" in card.note
    assert await stage.action_count() == 0, "nothing runs before somebody presses"


async def test_a_press_by_anybody_proposes_the_check_once(stage: Stage) -> None:
    card = await offered(stage)
    await stage.presses("jun", only(card).token)
    action = await stage.action()
    assert (action.type, action.targets, action.risk) == ("disk_status", ("PAY-WAS-01",), "LOW")
    assert action.state is State.QUEUED
    again = await stage.presses("ana", only(card).token)
    assert again.text == say(text("button_used"), "en")
    assert await stage.action_count() == 1


async def test_the_offer_stands_in_the_thread_where_the_talk_is(stage: Stage) -> None:
    await heard(stage, NAMED, context={"thread": "17.5"})
    assert stage.platform.sent[-1].draft.context == {"thread": "17.5"}


async def test_a_program_can_neither_talk_nor_press(stage: Stage) -> None:
    assert await heard(stage, NAMED, "robot") == []
    card = await offered(stage)
    await stage.presses("robot", only(card).token)
    assert await stage.action_count() == 0


async def test_who_names_none_is_asked_which(stage: Stage) -> None:
    card = await offered(stage, DISK)
    assert labels(card) == ["PAY-WAS-01", "PAY-STG-01"]
    await stage.presses("min", card.buttons[1].token)
    assert (await stage.action()).targets == ("PAY-STG-01",)
    used = await stage.presses("min", card.buttons[0].token)
    assert used.text == say(text("button_used"), "ko"), "one answer to one question"


async def test_no_offer_where_nothing_can_be_looked_at(stage: Stage) -> None:
    """This inventory has no database."""
    assert await heard(stage, "디비가 느려요") == []


async def test_a_rule_rests_in_a_room_and_not_in_another(stage: Stage) -> None:
    async with stage.db.write() as tx:
        listed = [RoomListing("web", "", name, name, "en") for name in ("ops", "dev")]
        await rooms.sync(tx, listed)
    await offered(stage)
    assert await heard(stage, DISK, "jun") == []
    assert len(await heard(stage, DISK, room="dev")) == 1
    stage.clock.forward(minutes=29, seconds=59)
    assert await heard(stage, DISK) == []
    stage.clock.forward(seconds=1)
    assert len(await heard(stage, DISK)) == 1


@pytest.mark.parametrize(
    ("user", "more"),
    [
        ("mallory", {}),
        ("min", {"room": "elsewhere"}),
        ("mallory", {"room": "elsewhere"}),
    ],
)
async def test_strangers_and_strange_rooms_get_no_offer(
    stage: Stage, user: str, more: dict[str, str]
) -> None:
    assert await heard(stage, NAMED, user, **more) == []
    assert stage.platform.sent == []


@pytest.mark.parametrize(
    "said",
    [
        "/sr 디스크 용량 부족",
        "sr 디스크 용량 부족",
        "점심 뭐 먹죠",
        "로그인이 안 돼요",
        "https://example.org/디스크",
        "디스크 " * 1001,
        "",
    ],
)
async def test_commands_and_other_talk_get_no_offer(stage: Stage, said: str) -> None:
    assert await heard(stage, said) == []
    assert await stage.action_count() == 0


@pytest.mark.parametrize("kind", ["words", "command"])
async def test_what_is_said_to_the_bot_gets_no_offer(stage: Stage, kind: str) -> None:
    cards = await stage.does("min", kind, "디스크 용량 ㅋㅋ")
    assert not any("nudges off" in card.note for card in cards)


async def test_in_a_room_where_the_bot_gets_every_line_talk_is_talk(stage: Stage) -> None:
    (card,) = await stage.does("min", "words", "서류가 쌓였어요", open_talk=True)
    assert "nudges off" in card.note
    (told,) = await stage.does("min", "words", "서류가 쌓였어요", open_talk=True)
    assert told.text in (
        say(text("words_other"), "ko"),
        say(text("language_unread"), "ko"),
    )


@pytest.mark.parametrize("said", ["디스크 용량이 부족해요", "磁碟快滿了"])
async def test_trouble_without_a_place_is_offered_a_check_not_asked_where(
    stage: Stage, said: str
) -> None:
    reading = await stage.services.reader.read(said)
    assert reading.question is not None, "somebody who says it to the bot is asked where"
    (card,) = await stage.does("min", "words", said, open_talk=True)
    assert "/nudges off disk_full" in card.note
    (asked,) = await stage.does("min", "words", said)
    assert "nudges off" not in asked.note and asked.buttons


async def test_the_words_go_nowhere_but_to_the_inbox(stage: Stage) -> None:
    card = await offered(stage, "pay-was-01 로그 비밀얘기 쌓였어요")
    await stage.presses("min", only(card).token)
    async with stage.db.read() as tx:
        rows = await tx.all(sa.select(audit))
        body = " ".join(str(tuple(row)) for row in rows)
    assert "비밀얘기" not in body
    assert "비밀얘기" not in str(card)
    assert (await stage.action()).description == ""


async def test_a_check_that_is_no_longer_low_is_refused_with_the_mend(stage: Stage) -> None:
    card = await offered(stage)
    raised = replace(
        planner(stage).policy,
        levels={**planner(stage).policy.levels, "disk_status": Level.HIGH},
    )
    stage.services.proposals.planner.policy = raised
    refused = await stage.presses("min", only(card).token)
    words = say(text("nudges_not_low", rule="disk_full", action="disk_status"), "ko")
    assert refused.text == words
    assert await stage.action_count() == 0


async def test_a_rule_that_is_gone_is_refused(stage: Stage) -> None:
    card = await offered(stage)
    with_rules(stage, [])
    refused = await stage.presses("min", only(card).token)
    assert refused.text == say(text("nudges_gone", rule="disk_full", asset="PAY-WAS-01"), "ko")
    assert await stage.action_count() == 0


async def test_the_button_has_its_code_for_programs(stage: Stage) -> None:
    assert only(await offered(stage)).code == "CHECK_DISK_SPACE"
    stage.clock.forward(minutes=30)
    assert [button.code for button in (await offered(stage, DISK)).buttons] == ["", ""]


# /nudges


async def test_the_list_says_how_each_rule_stands(stage: Stage) -> None:
    await offered(stage)
    card = await stage.whispered("jun", "command", "/nudges")
    lines = card.text.splitlines()
    assert card.title == say(text("nudges_title", minutes=30), "zh-TW")
    assert [rule.name in line for rule, line in zip(shipped(), lines, strict=True)] == [True, True]
    assert "2026-11-20" not in lines[0] and "2026-11-20" in lines[1]
    assert "資料庫, 慢查詢" in lines[0], "the reader's own script comes first"
    ours = await stage.whispered("min", "command", "/nudges")
    assert "디비, 데이터베이스" in ours.text


async def test_an_engineer_switches_a_rule_off_and_on(stage: Stage) -> None:
    await stage.does("jun", "command", "/nudges off disk_full")
    assert await heard(stage, NAMED) == []
    listed = await stage.whispered("ana", "command", "/nudges")
    assert say(text("nudges_state_off"), "en") in listed.text
    await stage.does("jun", "command", "/nudges on DISK_FULL")
    assert len(await heard(stage, NAMED)) == 1
    assert await stage.audited() == ["nudges.off", "nudges.on"]


async def test_the_whole_room_is_switched_off_and_on(stage: Stage) -> None:
    (told,) = await stage.does("ana", "command", "/nudges off")
    assert told.text == say(text("nudges_switched", rule="", off=True, name="ana"), "en")
    assert await heard(stage, NAMED) == []
    listed = await stage.whispered("ana", "command", "/nudges")
    assert listed.text.splitlines()[0] == say(text("nudges_room_off"), "en")
    await stage.hears("ana", "command", "/nudges off", "nudges_as_before", rule="", off=True)
    await stage.does("ana", "command", "/nudges on")
    assert len(await heard(stage, NAMED)) == 1


async def test_a_requester_switches_only_what_is_theirs(stage: Stage) -> None:
    least = text("role_ENGINEER")
    await stage.hears("min", "command", "/nudges off", "nudges_role", least=least)
    assert len(await heard(stage, NAMED)) == 1
    await stage.does("min", "command", "/nudges off", room="dm-min", direct=True)
    assert await stage.audited() == ["nudges.off"]


@pytest.mark.parametrize(
    ("line", "key", "values"),
    [
        ("/nudges of", "nudges_usage", {"given": "of", "usage": "/nudges [on|off [RULE]]"}),
        ("/nudges off disk_ful", "nudges_no_rule", {"given": "disk_ful", "known": "disk_full"}),
    ],
)
async def test_a_mistyped_line_changes_nothing(
    stage: Stage, line: str, key: str, values: dict[str, str]
) -> None:
    await stage.hears("ana", "command", line, key, **values)
    assert await stage.audited() == []


# /license


async def test_nothing_listed_says_where_to_list(stage: Stage) -> None:
    await stage.hears("min", "command", "/license", "upkeep_none")
    await stage.hears("min", "words", "라이선스", "upkeep_none")


async def test_only_the_beginning_of_a_long_message_is_heard(stage: Stage) -> None:
    """It is read on the event loop: 4,000 characters of a pasted log took half a second."""
    assert hear(stage.services, f"{NAMED} {'결제 서버 로그 ' * 300}") is not None
    assert hear(stage.services, f"{'보고서 ' * 200} {NAMED}") is None
