"""The heal log, on both databases."""

from __future__ import annotations

import asyncio

import pytest

from storage import attempts, incidents
from storage.attempts import Attempt
from storage.database import Database
from storage.lifecycle import ATTEMPT_MOVES, AttemptMove, AttemptState
from tests.conftest import FakeClock
from tests.contract.healing import FAILS, SKIPS, SUCCEEDS, begin, goes, incident, recorded

MINUTE = 60_000


async def test_an_attempt_begins_with_its_lines(any_db: Database, clock: FakeClock) -> None:
    about = await incident(any_db)
    attempt = await begin(any_db, about, "PAY-01", "PAY-02")
    assert (attempt.state, attempt.due_at) == (AttemptState.BEFORE, clock.now)
    assert (attempt.symptom, attempt.targets) == (about.symptom, ("PAY-01", "PAY-02"))
    assert (attempt.findings, attempt.reason, attempt.action_id) == ({}, None, None)
    async with any_db.read() as tx:
        assert await attempts.by_id(tx, attempt.id) == attempt
        assert await attempts.by_id(tx, 99) is None
        assert await attempts.of_incident(tx, about.id) == [attempt]
        last = await incidents.last_event(tx, about.id)
        assert last is not None
        assert (last.kind, last.detail["targets"]) == ("attempt", ["PAY-01", "PAY-02"])
        assert await recorded(tx, "attempt.") == [
            ("watchstander", "attempt.begin", f"attempt:{attempt.id}")
        ]


@pytest.mark.parametrize("step", AttemptMove)
async def test_only_moves_of_the_table(db: Database, step: AttemptMove) -> None:
    attempt = await begin(db, await incident(db), "PAY-01")
    async with db.write() as tx:
        if AttemptState.BEFORE in ATTEMPT_MOVES[step]:
            assert await attempts.move(tx, attempt, step)
        else:
            with pytest.raises(KeyError):
                await attempts.move(tx, attempt, step)


async def test_a_move_keeps_what_was_found(any_db: Database, clock: FakeClock) -> None:
    attempt = await begin(any_db, await incident(any_db), "PAY-01")
    found = {"before": [{"probe": "unit tomcat", "ok": False, "detail": "멈춤"}]}
    clock.forward(minutes=1)
    async with any_db.write() as tx:
        values = {"findings": found, "action_id": 7}
        assert await attempts.move(
            tx, attempt, AttemptMove.ACT, due_at=tx.now + MINUTE, values=values
        )
        moved = await attempts.must(tx, attempt.id)
    assert (moved.findings, moved.action_id, moved.finished_at) == (found, 7, None)
    assert moved.due_at == clock.now + MINUTE
    async with any_db.write() as tx:
        reason = {"key": "heal_refused", "values": {"why": "멈춤"}}
        assert await attempts.move(tx, moved, AttemptMove.FAIL, values={"reason": reason})
        ended = await attempts.must(tx, attempt.id)
    assert (ended.reason, ended.finished_at) == (reason, clock.now)
    async with any_db.read() as tx:
        assert [kind for _, kind, _ in await recorded(tx, "attempt.")] == [
            "attempt.begin",
            "attempt.act",
            "attempt.fail",
        ]


async def test_one_of_many_moves_it(any_db: Database) -> None:
    attempt = await begin(any_db, await incident(any_db), "PAY-01")

    async def act() -> bool:
        async with any_db.write() as tx:
            return await attempts.move(tx, attempt, AttemptMove.ACT)

    assert sorted(await asyncio.gather(*(act() for _ in range(8)))) == [False] * 7 + [True]
    async with any_db.read() as tx:
        assert len(await recorded(tx, "attempt.act")) == 1


async def test_what_was_read_before_a_delay_moves_nothing(any_db: Database) -> None:
    attempt = await begin(any_db, await incident(any_db), "PAY-01")
    async with any_db.write() as tx:
        assert await attempts.postpone(tx, attempt, tx.now + MINUTE)
        assert not await attempts.postpone(tx, attempt, tx.now + 2 * MINUTE)
        assert not await attempts.move(tx, attempt, AttemptMove.ACT)
        now = await attempts.must(tx, attempt.id)
    assert (now.state, now.due_at) == (AttemptState.BEFORE, attempt.due_at + MINUTE)


async def test_what_is_due(any_db: Database, clock: FakeClock) -> None:
    about = await incident(any_db)
    first, second = await begin(any_db, about, "A"), await begin(any_db, about, "B")
    done = await goes(any_db, await begin(any_db, about, "C"), SUCCEEDS)
    async with any_db.write() as tx:
        assert await attempts.postpone(tx, first, tx.now + MINUTE)
        assert [one.id for one in await attempts.due(tx, 10)] == [second.id]
    clock.forward(minutes=1)
    async with any_db.read() as tx:
        assert [one.id for one in await attempts.due(tx, 10)] == [second.id, first.id]
        assert [one.id for one in await attempts.due(tx, 1)] == [second.id]
        busy = await attempts.under_way_on(tx, ["B", "C"])
        assert busy is not None
        assert busy.id == second.id
        assert await attempts.under_way_on(tx, ["C", "D"]) is None
    assert done.state is AttemptState.SUCCEEDED


async def test_tries_are_counted_by_playbook_target_and_time(
    any_db: Database, clock: FakeClock
) -> None:
    about = await incident(any_db)
    old = await goes(any_db, await begin(any_db, about, "A"), FAILS)
    clock.forward(minutes=10)
    since = clock.now
    both = await goes(any_db, await begin(any_db, about, "A", "B"), SUCCEEDS)
    await goes(any_db, await begin(any_db, about, "A"), SKIPS)
    await goes(any_db, await begin(any_db, about, "A", playbook="other"), FAILS)
    async with any_db.read() as tx:

        async def tries(*targets: str, after: int = 0) -> list[int]:
            found = await attempts.tries(tx, "app-oom", targets, about.symptom, after)
            return [one.id for one in found]

        assert await tries("A", "B") == [old.id, both.id]
        assert await tries("A", after=since) == [both.id]
        assert await tries("B") == [both.id]
        assert await tries("C") == []
        assert await attempts.begun_since(tx, 0) == 3
        assert await attempts.begun_since(tx, since) == 2
        assert await attempts.begun_since(tx, 0, target="A") == 3
        assert await attempts.begun_since(tx, 0, target="B") == 1
        assert await attempts.begun_since(tx, 0, symptom=about.symptom) == 3
        assert await attempts.begun_since(tx, 0, symptom="0" * 16) == 0


async def test_a_skipped_one_counts_once_something_was_proposed(any_db: Database) -> None:
    about = await incident(any_db)
    attempt = await begin(any_db, about, "A")
    async with any_db.write() as tx:
        assert await attempts.move(tx, attempt, AttemptMove.ACT, values={"action_id": 3})
    await goes(any_db, attempt, SKIPS)
    async with any_db.read() as tx:
        assert len(await attempts.tries(tx, "app-oom", ["A"], about.symptom, 0)) == 1
        assert await attempts.begun_since(tx, 0) == 1


async def test_one_that_touches_nothing_is_counted_by_its_symptom(any_db: Database) -> None:
    about, other = await incident(any_db), await incident(any_db, "b" * 16)
    await goes(any_db, await begin(any_db, about, playbook="http-429", action_type=""), FAILS)
    async with any_db.read() as tx:
        assert len(await attempts.tries(tx, "http-429", [], about.symptom, 0)) == 1
        assert await attempts.tries(tx, "http-429", [], other.symptom, 0) == []
        assert await attempts.told_since(tx, "http-429", about.symptom, 0)
        assert not await attempts.told_since(tx, "http-429", other.symptom, 0)
        assert not await attempts.told_since(tx, "http-429", about.symptom, tx.now + 1)


async def test_results_and_the_last_run_of_each_playbook(
    any_db: Database, clock: FakeClock
) -> None:
    about = await incident(any_db)
    for steps in (SUCCEEDS, SUCCEEDS, FAILS):
        await goes(any_db, await begin(any_db, about, "A"), steps)
    tried = clock.now
    clock.forward(minutes=5)
    await goes(any_db, await begin(any_db, about, "A"), SKIPS)
    await begin(any_db, about, "A", playbook="db-refused")
    async with any_db.read() as tx:
        assert await attempts.results(tx) == {
            "app-oom": {
                AttemptState.SUCCEEDED: 2,
                AttemptState.FAILED: 1,
                AttemptState.SKIPPED: 1,
            },
            "db-refused": {AttemptState.BEFORE: 1},
        }
        last = await attempts.last_runs(tx)
    assert set(last) == {"app-oom", "db-refused"}
    assert last["app-oom"].state is AttemptState.SKIPPED
    assert (last["app-oom"].started_at, last["app-oom"].tried_at) == (clock.now, tried)
    assert last["db-refused"].tried_at == clock.now


async def test_the_last_run_of_one_that_only_tells(any_db: Database) -> None:
    about = await incident(any_db)
    await goes(any_db, await begin(any_db, about, playbook="gdrive-token", action_type=""), SKIPS)
    async with any_db.read() as tx:
        assert (await attempts.last_runs(tx))["gdrive-token"].tried_at is None


async def test_each_is_learned_from_once(any_db: Database) -> None:
    about = await incident(any_db)
    made: list[Attempt] = [
        await goes(any_db, await begin(any_db, about, "A"), steps)
        for steps in (SUCCEEDS, FAILS, SKIPS, ())
    ]
    async with any_db.write() as tx:
        assert [one.id for one in await attempts.unlearned(tx, 10)] == [made[0].id, made[1].id]
        assert [one.id for one in await attempts.unlearned(tx, 1)] == [made[0].id]
        assert await attempts.learned(tx, made[0].id)
        assert not await attempts.learned(tx, made[0].id)
        assert [one.id for one in await attempts.unlearned(tx, 10)] == [made[1].id]


async def test_it_follows_an_action_that_was_replaced(any_db: Database) -> None:
    attempt = await begin(any_db, await incident(any_db), "A")
    async with any_db.write() as tx:
        await attempts.follow(tx, attempt, "action_id", 8)
        await attempts.follow(tx, attempt, "undo_id", 9)
        now = await attempts.must(tx, attempt.id)
    assert (now.action_id, now.undo_id, now.state) == (8, 9, AttemptState.BEFORE)
