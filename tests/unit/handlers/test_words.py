"""What a reading becomes: a proposal, a question with buttons, a request, or an answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.language.classify import Suggestion
from engine.language.contract import (
    CHANGING,
    INTENTS,
    UNREAD,
    Choice,
    Parse,
    Question,
    Reading,
)
from engine.language.questions import ask_if_sure
from handlers.card import Button
from handlers.words import _ACTION_OF_INTENT
from prompts.texts import say, text
from storage import requests
from storage.lifecycle import State
from tests.unit.handlers.stage import LANGUAGE, Stage

STG, PRD = "PAY-STG-01", "PAY-WAS-01"


class FixedReader:
    """Reads everything as what the test says: the words' meaning is tested elsewhere."""

    def __init__(self) -> None:
        self.reading = Reading(Parse("OTHER"))

    async def read(self, said: str) -> Reading:
        return self.reading

    async def suggest(self, title: str, body: str) -> Suggestion:
        return Suggestion("LOG", "LOW", (), "model", 0.9)


@pytest.fixture
def reader(stage: Stage) -> FixedReader:
    found = FixedReader()
    stage.router._services = replace(stage.services, reader=found)  # type: ignore[arg-type]
    return found


def reading(
    intent: str,
    *assets: str,
    steps: tuple[str, ...] = (),
    artifacts: tuple[str, ...] = (),
    confidence: float = 1.0,
    approval: bool | None = None,
) -> Reading:
    wants = intent in CHANGING if approval is None else approval
    parse = Parse(
        intent,
        action_sequence=steps or (intent,),
        deploy_artifacts=artifacts,
        requires_approval=wants,
    )
    return Reading(parse, assets, None, confidence)


@pytest.mark.parametrize(
    ("intent", "said", "kind", "params", "state"),
    [
        ("RESTART", "x", "server_restart", {}, State.PENDING_APPROVAL),
        ("START", "x", "service_start", {}, State.PENDING_APPROVAL),
        ("STOP", "x", "service_stop", {}, State.PENDING_APPROVAL),
        ("STATUS", "how is it", "service_status", {}, State.QUEUED),
        ("STATUS", "disk space?", "disk_status", {}, State.QUEUED),
        ("STATUS", "디스크 용량 알려줘", "disk_status", {}, State.QUEUED),
        ("STATUS", "磁碟還有多少", "disk_status", {}, State.QUEUED),
        ("STATUS", "메모리 상태", "memory_status", {}, State.QUEUED),
        ("STATUS", "記憶體用量", "memory_status", {}, State.QUEUED),
        ("STATUS", "memory please", "memory_status", {}, State.QUEUED),
        ("LOG", "show the last 50 lines", "log_collect", {"lines": 50}, State.QUEUED),
        ("LOG", "로그 30줄", "log_collect", {"lines": 30}, State.QUEUED),
        ("LOG", "看最後20行", "log_collect", {"lines": 20}, State.QUEUED),
        ("LOG", "log /var/log/app/x.log.", "log_collect", {"path": "/var/log/app/x.log"},
         State.QUEUED),
        ("ACCOUNT", "disable the account kim.cs", "account_disable", {"account": "kim.cs"},
         State.PENDING_APPROVAL),
        ("ACCOUNT", "停用帳號 chen2", "account_disable", {"account": "chen2"},
         State.PENDING_APPROVAL),
    ],
)  # fmt: skip
async def test_an_intent_becomes_its_action(
    stage: Stage,
    reader: FixedReader,
    intent: str,
    said: str,
    kind: str,
    params: dict[str, object],
    state: State,
) -> None:
    reader.reading = reading(intent, STG)
    await stage.hears("min", "words", said, "proposed", id=1)
    action = await stage.action()
    assert (action.type, action.targets, action.state) == (kind, (STG,), state)
    assert {name: action.params[name] for name in params} == params
    assert action.description == said


@pytest.mark.parametrize("intent", sorted(set(INTENTS) - {"INQUIRY", "OTHER"}))
async def test_no_intent_breaks_the_bot_or_changes_anything_unasked(
    stage: Stage, reader: FixedReader, intent: str
) -> None:
    """Those that have a runner wait or look; the others are refused in the person's language."""
    assert intent in _ACTION_OF_INTENT
    reader.reading = reading(intent, STG)
    card = await stage.whispered("jun", "words", "please")
    assert card.text
    for number in range(1, await stage.action_count() + 1):
        action = await stage.action(number)
        waits = State.PENDING_APPROVAL if intent in CHANGING else State.QUEUED
        assert action.state is waits


@pytest.mark.parametrize("person", ["min", "jun", "ana"])
async def test_small_talk_is_answered_and_nothing_is_done(
    stage: Stage, reader: FixedReader, person: str
) -> None:
    await stage.hears(person, "words", "hello", "words_other")
    assert await stage.action_count() == 0


@pytest.mark.parametrize("person", ["min", "jun", "ana"])
async def test_what_nobody_could_read_is_told_in_the_persons_language(
    stage: Stage, reader: FixedReader, person: str
) -> None:
    reader.reading = reading("OTHER", confidence=UNREAD)
    await stage.hears(person, "words", "please do the usual", "language_unread")
    assert await stage.action_count() == 0


async def test_a_question_for_people_opens_one_request(stage: Stage, reader: FixedReader) -> None:
    reader.reading = Reading(Parse("INQUIRY"))
    await stage.hears(
        "min",
        "words",
        "VPN 신청은 어떻게 하나요?\n급합니다",
        "inquiry_opened",
        key="SR-20261120-0001",
    )
    async with stage.db.read() as tx:
        found = await requests.listing(tx)
    assert [(r.title, r.requester) for r in found] == [("VPN 신청은 어떻게 하나요?", "min")]
    assert [r.suggestion and r.suggestion["source"] for r in found] == ["model"]
    assert await stage.action_count() == 0


async def test_what_the_reader_doubts_is_asked_not_done(stage: Stage, reader: FixedReader) -> None:
    reader.reading = doubted(reading("STATUS", STG))
    card = await stage.whispered("jun", "words", "hm")
    assert card.text == say(text("language_sure"), "zh-TW")
    assert await stage.action_count() == 0
    await stage.presses("jun", card.buttons[0].token)
    assert (await stage.action()).type == "service_status"


def doubted(found: Reading) -> Reading:
    """The reading as the reader gives it when it is not sure."""
    intent = found.parse.intent_type
    return replace(found, assets=(), question=ask_if_sure(intent, intent, found.assets))


def choice(buttons: tuple[Button, ...], key: str, language: str) -> str:
    label = say(text(key), language)
    (found,) = [button.token for button in buttons if button.label == label]
    return found


@pytest.fixture
async def asked(stage: Stage, reader: FixedReader) -> tuple[Button, ...]:
    """A question with two answers and "none of these", asked of min."""
    reader.reading = Reading(
        Parse("RESTART", requires_approval=True),
        question=Question(
            text("words_other"),
            (Choice(STG, "RESTART", (STG,)), Choice(PRD, "RESTART", (PRD,))),
        ),
    )
    return (await stage.whispered("min", "words", "was 재기동")).buttons


async def test_a_choice_completes_the_proposal(stage: Stage, asked: tuple[Button, ...]) -> None:
    assert [button.label for button in asked] == [STG, PRD, say(text("choice_none"), "ko")]
    assert await stage.action_count() == 0
    card = await stage.presses("min", asked[1].token)
    assert card.text == say(text("proposed", id=1), "ko")
    action = await stage.action()
    assert (action.targets, action.risk, action.description) == ((PRD,), "CRITICAL", "was 재기동")


async def test_only_the_asker_may_choose(stage: Stage, asked: tuple[Button, ...]) -> None:
    card = await stage.presses("ana", asked[0].token)
    assert card.text == say(text("button_not_yours"), "en")
    assert await stage.action_count() == 0
    await stage.presses("min", asked[0].token)
    assert await stage.action_count() == 1


@pytest.mark.parametrize("second", [0, 1, 2])
async def test_a_question_is_answered_once(
    stage: Stage, asked: tuple[Button, ...], second: int
) -> None:
    await stage.presses("min", asked[0].token)
    card = await stage.presses("min", asked[second].token)
    assert card.text == say(text("button_used"), "ko")
    assert await stage.action_count() == 1


async def test_none_of_these_drops_the_question(stage: Stage, asked: tuple[Button, ...]) -> None:
    card = await stage.presses("min", asked[2].token)
    assert card.text == say(text("dropped"), "ko")
    card = await stage.presses("min", asked[0].token)
    assert card.text == say(text("button_used"), "ko")
    assert await stage.action_count() == 0


async def test_an_old_question_is_answered_no_more(stage: Stage, asked: tuple[Button, ...]) -> None:
    stage.clock.forward(minutes=31)
    card = await stage.presses("min", asked[0].token)
    assert card.text == say(text("button_expired"), "ko")
    assert await stage.action_count() == 0


async def test_a_choice_that_is_refused_may_be_taken_again(
    stage: Stage, asked: tuple[Button, ...]
) -> None:
    await stage.does("jun", "command", "/freeze now")
    await stage.presses("min", asked[0].token)
    assert await stage.action_count() == 0
    await stage.does("ana", "command", "/unfreeze")
    await stage.presses("min", asked[0].token)
    assert await stage.action_count() == 1


async def test_a_choice_does_not_work_from_another_room(
    stage: Stage, asked: tuple[Button, ...]
) -> None:
    card = await stage.presses("min", asked[0].token, room="dm", direct=True)
    assert card.text == say(text("button_unknown"), "ko")
    assert await stage.action_count() == 0


async def test_of_several_steps_each_is_its_own_action_and_taken_once(
    stage: Stage, reader: FixedReader
) -> None:
    reader.reading = reading("STOP", STG, steps=("STOP", "START", "STOP"))
    card = await stage.whispered("min", "words", "stop and start it")
    stop, start, _ = card.buttons
    await stage.presses("min", stop.token)
    await stage.presses("min", start.token)
    again = await stage.presses("min", stop.token)
    assert again.text == say(text("button_used"), "ko")
    found = [(await stage.action(n)).type for n in (1, 2)]
    assert found == ["service_stop", "service_start"]
    assert await stage.action_count() == 2


@pytest.mark.parametrize("said", ["disable the account", "disable accounts kim.cs and lee.hs"])
async def test_a_doubtful_account_is_asked_for(
    stage: Stage, reader: FixedReader, said: str
) -> None:
    reader.reading = reading("ACCOUNT", STG)
    for person in ("min", "jun", "ana"):
        await stage.hears(person, "words", said, "ask_account")
    assert await stage.action_count() == 0


@pytest.mark.parametrize("through_question", [False, True])
async def test_the_readers_caution_raises_the_risk_by_either_way(
    stage: Stage, reader: FixedReader, through_question: bool
) -> None:
    """requires_approval may raise what the table calls LOW; a question in between loses nothing."""
    sure = reading("STATUS", STG, approval=True)
    reader.reading = doubted(sure) if through_question else sure
    card = await stage.whispered("min", "words", "how is it")
    if through_question:
        await stage.presses("min", card.buttons[0].token)
    action = await stage.action()
    assert (action.risk, action.state) == ("HIGH", State.PENDING_APPROVAL)


@pytest.mark.parametrize(
    "said", ["<!channel> @everyone", "{{ id }} {% if x %}", "&lt;b&gt; *x* _y_", "\u202e gnp.exe"]
)
async def test_words_are_data_on_the_card(stage: Stage, reader: FixedReader, said: str) -> None:
    reader.reading = reading("RESTART", STG)
    await stage.does("min", "words", said)
    assert stage.card(1).text.replace("\\u202e", "\u202e") == said
    assert LANGUAGE["min"] == "ko"
