"""/bulk: read, checked, proposed as one action, and carried out step by step."""

from __future__ import annotations

import pytest

from engine.actions.slots import REQUEST_KEY
from engine.errors import GiveUp, Why
from engine.requests import bulk
from prompts.texts import LANGUAGES, say
from storage.lifecycle import RequestState
from tests.unit.requests.conftest import Office

NOON = 1_795_176_000_000  # 2026-11-20 12:00 UTC
ONE, TWO = "SR-20261120-0001", "SR-20261120-0002"


@pytest.mark.parametrize(
    ("line", "op", "value", "keys"),
    [
        ("close SR-20261120-0001 20261120-0002", "close", "", (ONE, TWO)),
        ("close 1 2 : moved to the new system", "close", "moved to the new system", (ONE, TWO)),
        ("CLOSE 1, 2,1", "close", "", (ONE, TWO)),
        ("assign jun 1 2", "assign", "jun", (ONE, TWO)),
        ("assign Ana Maria Lin 1", "assign", "Ana Maria Lin", (ONE,)),
        ("priority high 2", "priority", "HIGH", (TWO,)),
        ("comment 1 2: 내일 점검 예정: 09:00", "comment", "내일 점검 예정: 09:00", (ONE, TWO)),
    ],
)
def test_a_line_is_read(line: str, op: str, value: str, keys: tuple[str, ...]) -> None:
    assert bulk.read(line, NOON) == bulk.Bulk(op, value, keys)


@pytest.mark.parametrize(
    "line",
    [
        "delete 1 2",
        "close",
        "close :",
        "close 1 two",
        "assign jun",
        "assign 1",
        "priority urgent 1",
        "priority",
        "comment 1 2",
        "comment 1 :",
        "comment : text",
        "close " + " ".join(str(n) for n in range(1, 102)),
        "close 1; rm -rf /",
        "x" * 100_000,
    ],
)
def test_what_cannot_be_read_is_refused_with_the_mend(line: str) -> None:
    with pytest.raises(GiveUp) as refusal:
        bulk.read(line, NOON)
    assert refusal.value.why is Why.INVALID
    for language in LANGUAGES:
        assert 10 < len(say(refusal.value.text, language)) < 400


def test_a_hundred_fit() -> None:
    wanted = bulk.read("close " + " ".join(str(n) for n in range(1, 101)), NOON)
    assert len(wanted.keys) == bulk.LIMIT


def test_its_keys_are_what_the_plan_takes() -> None:
    for key in bulk.read("close 1 99999 20261120-123456", NOON).keys:
        assert REQUEST_KEY.read(key, "targets") == key


async def test_unknown_requests_are_named(office: Office) -> None:
    await office.new()
    with pytest.raises(GiveUp) as refusal:
        async with office.db.read() as tx:
            await bulk.check(tx, bulk.read("close 1 5 6", tx.now))
    assert refusal.value.why is Why.MISSING
    assert "SR-20261120-0005, SR-20261120-0006" in say(refusal.value.text, "en")


async def test_steps_change_requests_in_the_name_of_the_asker(office: Office) -> None:
    for number in range(4):
        await office.new(f"Request {number}")
    steps = [
        ("request", "close", ONE, "done"),
        ("request", "assign", TWO, "jun"),
        ("request", "priority", "SR-20261120-0003", "CRITICAL"),
        ("request", "comment", "SR-20261120-0004", "tomorrow"),
    ]
    # kim is a REQUESTER: the approval of the action is the right to do this.
    async with office.db.write() as tx:
        after = [await bulk.carry_out(office.desk, tx, office.kim, argv) for argv in steps]
    assert [request.state for request in after] == [
        RequestState.DONE,
        RequestState.ASSIGNED,
        RequestState.NEW,
        RequestState.NEW,
    ]
    assert after[1].assignee == "jun"
    assert after[2].priority == "CRITICAL"
    async with office.db.read() as tx:
        assert (await office.desk.timeline(tx, after[3]))[-1].who == "kim"


async def test_a_step_twice_is_refused_the_second_time(office: Office) -> None:
    request = await office.new()
    argv = ("request", "close", request.key, "")
    with pytest.raises(GiveUp) as refusal:
        async with office.db.write() as tx:
            await bulk.carry_out(office.desk, tx, office.min, argv)
            await bulk.carry_out(office.desk, tx, office.min, argv)
    assert refusal.value.why is Why.CONFLICT


@pytest.mark.parametrize("argv", [(), ("rm", "-rf", "/", ""), ("request", "drop", ONE, "")])
async def test_a_strange_step_does_nothing(office: Office, argv: tuple[str, ...]) -> None:
    with pytest.raises(GiveUp):
        async with office.db.write() as tx:
            await bulk.carry_out(office.desk, tx, office.ana, argv)
