"""/heal: what it shows, who may switch, lift and close, and a dry run that starts nothing."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from handlers.router import as_command
from prompts.texts import say, text
from storage import actions, attempts, blocks, breakers, freezes, incidents, people, playbooks
from storage.incident_tables import attempts as attempts_table
from storage.tables import audit
from tests.contract.healing import FAILS, SUCCEEDS, begin, goes, incident
from tests.unit.handlers.stage import Stage

OOM = "java.lang.OutOfMemoryError: Java heap space"
HOUR = 3_600_000


async def blocked(stage: Stage) -> int:
    """A block that a failed restart left; its number."""
    failed = await goes(stage.db, await begin(stage.db, await incident(stage.db), "A"), FAILS)
    async with stage.db.write() as tx:
        await blocks.put(tx, failed, tx.now + HOUR)
        (block,) = await blocks.standing(tx)
    return block.id


async def trip(stage: Stage, scope: str) -> None:
    async with stage.db.write() as tx:
        assert await breakers.trip(tx, scope, 3)


async def rows(stage: Stage) -> tuple[int, ...]:
    """How much there is of all that a repair writes."""
    async with stage.db.read() as tx:
        counted = []
        for table in (attempts_table, audit):
            row = await tx.one(sa.select(sa.func.count()).select_from(table))
            assert row is not None
            counted.append(int(row[0]))
        return (*counted, len(await incidents.listing(tx)), len(await actions.listing(tx)))


@pytest.mark.parametrize("line", ["/heal", "/heal list", "/ws heal", "heal", "플레이북", "劇本"])
async def test_the_list_in_every_way_to_ask(stage: Stage, line: str) -> None:
    kind = "command" if line.startswith("/") else "words"
    card = await stage.whispered("ana", kind, line)
    assert card.title == "Playbooks (7)"
    assert "🟢 on dns-failure: Name resolution fails" in card.text
    assert "succeeded 0, failed 0, skipped 0" in card.text


@pytest.mark.parametrize(
    ("said", "command"),
    [
        ("heal off app-oom", "heal off app-oom"),
        ("heal try db is down", "heal try db is down"),
        ("플레이북 off app-oom", "heal off app-oom"),
        ("heal the database please", None),
        ("heal off", None),
        ("自動修復失敗了", None),
    ],
)
def test_words_that_are_the_command(said: str, command: str | None) -> None:
    assert as_command(said) == command


async def test_counts_states_breakers_and_blocks(stage: Stage) -> None:
    about = await incident(stage.db)
    await goes(stage.db, await begin(stage.db, about, "A"), SUCCEEDS)
    await begin(stage.db, about, "B", playbook="db-refused")
    block = await blocked(stage)
    await trip(stage, "global")
    await stage.does("jun", "command", "/heal off http-429")
    card = await stage.whispered("ana", "command", "/heal")
    cools = text("playbook_state_cools", until=stage.clock.now + HOUR)
    line = f"{say(cools, 'en')} app-oom: The application ran out of memory"
    assert line in card.text
    assert "succeeded 1, failed 1, skipped 0; last used 2026-" in card.text
    assert "🔧 at work (1) db-refused" in card.text
    assert "⚪ off http-429" in card.text
    assert f"/heal lift {block}" in card.text and "INC-20261120-0002" in card.text
    assert "/heal close global" in card.text
    assert "🔴 Breaker global" in (await stage.whispered("ana", "command", "/status")).text


async def test_switching_off_and_on(stage: Stage) -> None:
    (said,) = await stage.does("jun", "command", "/heal off App-OOM")
    assert said.text == say(text("playbook_off", name="app-oom", person="jun"), "zh-TW")
    async with stage.db.read() as tx:
        assert not await playbooks.is_on(tx, "app-oom")
    await stage.hears("jun", "command", "/heal off app-oom", "playbook_off_already", name="app-oom")
    (said,) = await stage.does("ana", "command", "/heal on app-oom")
    assert said.text == "ana switched the playbook app-oom on."
    await stage.hears("jun", "command", "/heal on app-oom", "playbook_on_already", name="app-oom")
    known = ", ".join(one.name for one in stage.services.healer.playbooks)
    for given, shown in (("nothing", "nothing"), ("", "–"), ("app-oom now", "app-oom now")):
        values = {"given": shown, "known": known}
        await stage.hears("jun", "command", f"/heal off {given}", "playbook_unknown", **values)


@pytest.mark.parametrize(
    ("line", "usage"),
    [
        ("/heal on app-oom", "/heal on NAME"),
        ("/heal off app-oom", "/heal off NAME"),
        ("/heal lift 1", "/heal lift N"),
        ("/heal close global", "/heal close SCOPE"),
    ],
)
async def test_only_engineers_change_something(stage: Stage, line: str, usage: str) -> None:
    block = await blocked(stage)
    await trip(stage, "global")
    least = text("role_ENGINEER")
    await stage.hears("min", "command", line, "command_role", usage=usage, least=least)
    async with stage.db.read() as tx:
        assert await playbooks.off(tx) == frozenset()
        assert [one.id for one in await blocks.standing(tx)] == [block]
        assert len(await breakers.open_ones(tx)) == 1


async def test_a_person_lifts_a_block(stage: Stage) -> None:
    block = await blocked(stage)
    (said,) = await stage.does("jun", "command", f"/heal lift #{block}")
    assert str(block) in said.text
    await stage.hears(
        "jun", "command", f"/heal lift {block}", "playbook_no_block", given=str(block)
    )
    await stage.hears("jun", "command", "/heal lift 999", "playbook_no_block", given="999")
    values = {"given": "all", "usage": "/heal lift N"}
    await stage.hears("jun", "command", "/heal lift all", "argument_id", **values)
    async with stage.db.read() as tx:
        lifted = await blocks.by_id(tx, block)
        assert lifted is not None
        assert lifted.lifted_by == {p.name: p.id for p in await people.everyone(tx)}["jun"]


async def test_a_person_closes_a_breaker(stage: Stage) -> None:
    await trip(stage, "target:PAY-WAS-01")
    values = {"given": "global", "known": "target:PAY-WAS-01"}
    await stage.hears("jun", "command", "/heal close global", "playbook_no_breaker", **values)
    (said,) = await stage.does("jun", "command", "/heal close target:PAY-WAS-01")
    assert "target:PAY-WAS-01" in said.text
    await stage.hears("jun", "command", "/heal close", "playbook_no_breaker", given="–", known="–")


async def test_a_dry_run_starts_nothing(stage: Stage) -> None:
    before = await rows(stage)
    card = await stage.whispered("min", "command", f"/heal try pay-was-01 {OOM}")
    shown = {field.label: field.value for field in card.fields}
    assert shown["분류"] == "OOM"
    assert shown["심각도"] == "P1"
    assert shown["대상"] == "PAY-WAS-01"
    assert shown["위험도"] == "CRITICAL"
    assert shown["플레이북"].startswith("app-oom: ")
    assert card.text == say(text("playbook_try_goes"), "ko")
    assert await rows(stage) == before


@pytest.mark.parametrize(
    ("words", "key", "values"),
    [
        (OOM, "playbook_try_no_asset", {"role": "app", "asset": ""}),
        (f"P2 PAY-WAS-01 {OOM}", "playbook_try_none", {}),
        (f"p1 PAY-WAS-01 {OOM}", "playbook_try_goes", {}),
        ("disk full", "playbook_try_none", {}),
        ("HTTP 429", "playbook_try_waits", {"minutes": 30}),
        ("google drive: invalid_grant", "playbook_try_tells", {}),
        (
            "PAY-WAS-01 postgres: connection refused port 5432",
            "playbook_try_no_target",
            {"role": "db", "asset": "PAY-WAS-01"},
        ),
        ("", "playbook_try_empty", {"usage": "/heal try [P1|P2|P3] [ASSET] TEXT"}),
        ("P1 PAY-WAS-01", "playbook_try_empty", {"usage": "/heal try [P1|P2|P3] [ASSET] TEXT"}),
    ],
)
async def test_what_a_dry_run_says(
    stage: Stage, words: str, key: str, values: dict[str, object]
) -> None:
    await stage.hears("ana", "command", f"/heal try {words}", key, **values)


async def test_a_dry_run_tells_what_stands_in_the_way(stage: Stage) -> None:
    async with stage.db.write() as tx:
        (ana,) = [one for one in await people.everyone(tx) if one.name == "ana"]
        await playbooks.switch(tx, "app-oom", False, ana)
    why = text("heal_playbook_off", playbook="app-oom")
    line = f"/heal try PAY-WAS-01 {OOM}"
    await stage.hears("ana", "command", line, "playbook_try_stopped", why=why)
    async with stage.db.write() as tx:
        await playbooks.switch(tx, "app-oom", True, ana)
        await freezes.begin(tx, ana, "release")
    why = text("heal_frozen", name="ana", at=stage.clock.now)
    await stage.hears("ana", "command", line, "playbook_try_stopped", why=why)


async def test_a_dry_run_knows_a_block_for_the_same_symptom(stage: Stage) -> None:
    """The symptom of a dry run is that of a report with the same first line on the same asset."""
    first = await stage.whispered("ana", "command", f"/heal try PAY-WAS-01 {OOM}")
    symptom = {field.label: field.value for field in first.fields}["Symptom"]
    about = await incident(stage.db, symptom)
    failed = await goes(stage.db, await begin(stage.db, about, "OTHER"), FAILS)
    async with stage.db.write() as tx:
        await blocks.put(tx, failed, tx.now + HOUR)
    card = await stage.whispered("ana", "command", f"/heal try PAY-WAS-01 {OOM}\nmore lines")
    assert "failed for the same symptom" in card.text
    async with stage.db.read() as tx:
        (block,) = await blocks.standing(tx)
        assert block.avoided == 0
        assert len(await attempts.of_incident(tx, about.id)) == 1


@pytest.mark.parametrize("verb", ["heal", "delete app-oom", "$(reboot)"])
async def test_other_words_are_refused(stage: Stage, verb: str) -> None:
    card = await stage.whispered("ana", "command", f"/heal {verb}")
    assert "/heal [list" in card.text
