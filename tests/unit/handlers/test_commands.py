"""Every command, by slash, umbrella and words, for those who may and those who may not."""

from __future__ import annotations

import pytest

from handlers.commands import registry
from handlers.router import MAX_TEXT, as_command
from prompts.texts import say, text
from storage import freezes, outbox, rooms
from storage.lifecycle import State
from tests.unit.handlers.stage import LANGUAGE, Stage

RUN = "/autoq run server_restart PAY-STG-01"


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("approve 17 fine", "approve 17 fine"),
        ("Approve #17", "approve #17"),
        ("승인 17", "approve 17"),
        ("핵심 서버 승인 17", None),
        ("核准 17", "approve 17"),
        ("核准\u300017\u3000可以", "approve 17\u3000可以"),  # the wide space of Chinese keyboards
        ("reject\n17", "reject 17"),
        ("拒絕 17 不行", "reject 17 不行"),
        ("반려 17", "reject 17"),
        ("approve", None),
        ("approve the restart", None),
        ("승인해 주세요", None),
        ("why 17", "why 17"),
        ("why is it slow", None),
        ("status", "status"),
        ("status of momo-db", None),
        ("pending", "pending"),
        ("대기", "pending"),
        ("help", "help"),
        ("help me restart momo-was", None),
        ("도움말", "help"),
        ("freeze", "freeze"),
        ("凍結 颱風", "freeze 颱風"),
        ("동결 해제", "unfreeze"),
        ("해제 요청드립니다", None),
        ("unfreeze the firewall rule please", None),
        ("/approve 17", "approve 17"),
        ("  /ws approve 17  ", "ws approve 17"),
        ("restart pay-was-01", None),
        ("", None),
    ],
)
def test_words_that_are_a_command_and_words_that_are_not(said: str, line: str | None) -> None:
    assert as_command(said) == line


@pytest.mark.parametrize("line", ["/ws", "/ws help", "/WS HELP", "/help", "/ws /help", "/說明"])
async def test_help_lists_what_this_person_may_call(stage: Stage, line: str) -> None:
    card = await stage.whispered("jun", "command", line)
    assert "/approve ID" in card.text and "/freeze" in card.text
    assert "/unfreeze" not in card.text  # an admin's
    assert card.text.startswith(say(text("help_intro"), "zh-TW"))


@pytest.mark.parametrize("name", registry.commands())
async def test_help_tells_how_each_command_is_called(stage: Stage, name: str) -> None:
    command = registry.commands()[name]
    for person in ("min", "jun", "ana"):
        card = await stage.whispered(person, "command", f"/help {name}")
        assert card.code == command.usage
        assert card.text == say(text(command.summary), LANGUAGE[person])


@pytest.mark.parametrize(
    "line", ["/approve 1 looks  fine", "/ws approve 1 looks  fine", "/ws 승인 1 looks  fine",
             "/approve\n1 looks  fine", "/APPROVE #1 looks  fine"],
)  # fmt: skip
async def test_an_approval_by_command(stage: Stage, line: str) -> None:
    await stage.does("min", "command", RUN)
    await stage.hears("jun", "command", line, "decided_approve", id=1)
    action = await stage.action()
    assert (action.state, action.comment) == (State.APPROVED, "looks  fine")


@pytest.mark.parametrize("said", ["approve 1 go", "核准 1 go", "승인 1 go", "核准\u30001\u3000go"])
async def test_an_approval_in_words(stage: Stage, said: str) -> None:
    await stage.does("min", "command", RUN)
    await stage.hears("ana", "words", said, "decided_approve", id=1)
    assert (await stage.action()).comment == "go"


async def test_a_rejection_by_command_with_its_reason_cut(stage: Stage) -> None:
    await stage.does("min", "command", RUN)
    await stage.hears("jun", "command", "/reject 1 " + "아" * 2000, "decided_reject", id=1)
    action = await stage.action()
    assert (action.state, action.comment) == (State.REJECTED, "아" * 1000)
    await stage.whispered("ana", "command", "/approve 1")
    assert (await stage.action()).state is State.REJECTED


@pytest.mark.parametrize("verb", ["approve", "reject"])
@pytest.mark.parametrize("given", ["", "x", "-1", "1.5", "１", "#", "9" * 13, "1;2"])
async def test_a_decision_about_no_number_is_refused_with_the_usage(
    stage: Stage, verb: str, given: str
) -> None:
    await stage.does("min", "command", RUN)
    card = await stage.whispered("jun", "command", f"/{verb} {given}")
    assert f"/{verb} ID" in card.text
    assert (await stage.action()).state is State.PENDING_APPROVAL


@pytest.mark.parametrize("line", ["/approve 99", "/reject 99", "/why 99", "/autoq show 99"])
async def test_an_action_that_is_not_there(stage: Stage, line: str) -> None:
    await stage.hears("ana", "command", line, "action_missing", id=99)


@pytest.mark.parametrize("person", ["min", "jun", "ana"])
async def test_an_unknown_command_is_named_in_the_persons_language(
    stage: Stage, person: str
) -> None:
    await stage.hears(person, "command", "/frobnicate 1", "command_unknown", given="frobnicate")
    await stage.hears(person, "words", "/ws frobnicate", "command_unknown", given="frobnicate")
    await stage.hears(person, "command", "/", "command_unknown", given="")


@pytest.mark.parametrize(
    ("person", "line", "usage", "least"),
    [
        ("min", "/freeze now", "/freeze [reason]", "ENGINEER"),
        ("jun", "/unfreeze", "/unfreeze [reason]", "ADMIN"),
        ("robot", "/pending", "/pending", "REQUESTER"),
        ("robot", "/approve 1", "/approve ID [code] [comment]", "REQUESTER"),
    ],
)
async def test_a_command_above_ones_role(
    stage: Stage, person: str, line: str, usage: str, least: str
) -> None:
    needed = text(f"role_{least}")
    await stage.hears(person, "command", line, "command_role", usage=usage, least=needed)


async def test_a_freeze_holds_everybody_and_is_told_to_every_room(stage: Stage) -> None:
    async with stage.db.write() as tx:
        await rooms.sync(
            tx,
            [
                rooms.RoomListing("web", "", "ops"),
                rooms.RoomListing("web", "", "second", language="ko"),
            ],
        )
    await stage.does("jun", "command", "/freeze 颱風 <!channel>")
    told = {sent.room: sent.card.text for sent in stage.platform.sent}
    values = {"name": "jun", "reason": "颱風 <!channel>"}
    assert told == {
        "ops": say(text("freeze_begun", **values), "zh-TW"),
        "second": say(text("freeze_begun", **values), "ko"),
    }
    refused = await stage.whispered("min", "command", RUN)
    assert "颱風" in refused.text and await stage.action_count() == 0
    again = await stage.whispered("jun", "command", "/freeze")
    assert "jun" in again.text
    status = await stage.whispered("min", "command", "/status")
    assert "颱風" in status.text
    await stage.does("ana", "command", "/unfreeze calm")
    async with stage.db.read() as tx:
        assert await freezes.current(tx) is None
    await stage.hears("ana", "command", "/unfreeze", "freeze_none")


async def test_status_tells_links_people_on_call_and_counts(stage: Stage) -> None:
    await stage.does("min", "command", RUN)
    for person in ("min", "jun", "ana"):
        card = await stage.whispered(person, "command", "/status")
        shown = {field.label: field.value for field in card.fields}
        link = text("status_link", ok=True, name="database", detail="answers")
        assert say(link, LANGUAGE[person]) in card.text.splitlines()
        assert shown[say(text("status_on_call"), LANGUAGE[person])] == "jun"
        assert shown[say(text("state_PENDING_APPROVAL"), LANGUAGE[person])] == "1"


async def test_pending_lists_what_waits_and_what_could_not_be_delivered(stage: Stage) -> None:
    empty = await stage.whispered("ana", "command", "/pending")
    assert empty.text == say(text("pending_none"), "en")
    await stage.does("min", "command", RUN)
    await stage.does("min", "command", "/autoq run disk_status PAY-STG-01")
    async with stage.db.write() as tx:
        where = await rooms.find(tx, "web", "", "ops")
        assert where is not None
        await outbox.give_up(tx, await outbox.say(tx, where.id, {"text": "x"}), "gone")
    card = await stage.whispered("ana", "command", "/pending")
    head, line, lost = card.text.splitlines()
    assert head == say(text("pending_title", count=1), "en")
    assert "PAY-STG-01" in line and "min" in line and "#1" in line
    assert lost == say(text("pending_undelivered", count=1), "en")


@pytest.mark.parametrize("name", ["pending", "status", "whoami"])
async def test_a_command_without_arguments_refuses_them(stage: Stage, name: str) -> None:
    usage = f"/{name}"
    await stage.hears("min", "command", f"/{name} now", "argument_extra", given="now", usage=usage)


async def test_whoami_tells_who_one_is_here(stage: Stage) -> None:
    for person in ("min", "jun", "ana"):
        card = await stage.whispered(person, "command", "/whoami")
        values = [field.value for field in card.fields]
        assert values == [f"web: {person}", "web:ops", LANGUAGE[person]]


async def test_why_tells_the_reasons_the_plan_and_the_end(stage: Stage) -> None:
    await stage.does("min", "command", RUN)
    await stage.does("jun", "command", "/reject 1 no")
    card = await stage.whispered("ana", "command", "/why 1")
    action = await stage.action()
    assert "HIGH" in card.title
    assert card.code == "pay-stg-01: systemctl restart -- tomcat"
    assert card.text.count(action.policy_version) == 1 and "jun" in card.text
    assert action.digest in [field.value for field in card.fields]


async def test_a_late_decision_is_told_the_state_in_ones_own_words(stage: Stage) -> None:
    await stage.does("min", "command", RUN)
    await stage.does("jun", "command", "/approve 1")
    late = await stage.whispered("ana", "command", "/approve 1")
    assert "SUCCEEDED" not in late.text and "QUEUED" not in late.text
    assert any(say(text(f"state_{state.value}"), "en") in late.text for state in State)


@pytest.mark.parametrize(
    ("line", "key", "values"),
    [
        ("/autoq list NOPE", "autoq_state", {"given": "NOPE", "known": ", ".join(State)}),
        ("/autoq run server_restart 'PAY", "autoq_quotes", {}),
        ("/autoq run", "argument_extra", {"given": "run"}),
        ("/autoq dance", "argument_extra", {"given": "dance"}),
        ("/autoq list", "autoq_none", {}),
    ],
)
async def test_autoq_refuses_what_it_cannot_read(
    stage: Stage, line: str, key: str, values: dict[str, str]
) -> None:
    from handlers.commands.autoq import USAGE

    usage = {} if key in ("autoq_state", "autoq_none") else {"usage": USAGE}
    await stage.hears("min", "command", line, key, **values, **usage)


@pytest.mark.parametrize(
    "wish",
    [
        "no_such_action PAY-STG-01",
        "server_restart",
        "server_restart NO-SUCH",
        "server_restart PAY-STG-01 force=yes",
        "server_restart PAY-STG-01 =x",
        "server_restart '; rm -rf /'",
        "log_collect PAY-STG-01 path=/etc/shadow",
        "deploy_prd PAY-STG-01",
    ],
)
async def test_a_wish_that_cannot_be_planned_changes_nothing(stage: Stage, wish: str) -> None:
    card = await stage.whispered("ana", "command", f"/autoq run {wish}")
    assert card.text and not card.text.startswith("Noted")
    assert await stage.action_count() == 0
    assert await stage.audited() == []


async def test_autoq_lists_shows_and_names_the_types(stage: Stage) -> None:
    await stage.does("min", "command", RUN)
    listed = await stage.whispered("jun", "command", "/autoq list pending_approval")
    assert "#1" in listed.text and "PAY-STG-01" in listed.text
    empty = await stage.whispered("jun", "command", "/autoq list REJECTED")
    assert empty.text == say(text("autoq_none"), "zh-TW")
    types = await stage.whispered("jun", "command", "/autoq types")
    assert "HIGH: server_restart" in types.text
    cards = len(stage.platform.shown)
    await stage.hears("jun", "command", "/autoq show 1", "autoq_shown", id=1)
    assert len(stage.platform.shown) == cards  # it is in this room already


@pytest.mark.parametrize("kind", ["command", "words"])
async def test_4001_characters_are_refused_whole(stage: Stage, kind: str) -> None:
    line = "/autoq run server_restart PAY-STG-01 " if kind == "command" else "restart pay-stg-01 "
    await stage.hears(
        "min", kind, line.ljust(MAX_TEXT + 1, "가"), "too_long", length=MAX_TEXT + 1, limit=MAX_TEXT
    )
    assert await stage.action_count() == 0
