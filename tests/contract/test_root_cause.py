"""A root cause from the rows of each database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from storage import articles, incidents
from storage.articles import Kind
from storage.database import Database
from storage.lifecycle import ArticleMove, AttemptMove
from tests.conftest import FakeClock
from tests.unit.insight.scene import Scene

RAN = (AttemptMove.ACT, AttemptMove.LOOK, AttemptMove.SETTLE, AttemptMove.SUCCEED)


async def test_everything_at_once(any_db: Database, clock: FakeClock, tmp_path: Path) -> None:
    scene = Scene(any_db, clock, tmp_path)
    await scene.start()
    before = await scene.incident("PAY-WAS-01")
    old = await scene.action("PAY-WAS-01")
    await scene.repair(before, *RAN, action=old.id)
    await scene.resolve(before, "pool raised")
    clock.forward(minutes=2 * 24 * 60)
    await scene.freeze(minutes=10)
    changed = await scene.action("PAY-WAS-01")
    below = await scene.incident("PAY-DB-01", "panic", severity="P1")
    async with any_db.write() as tx:
        article = await articles.create(
            tx,
            kind=Kind.RUNBOOK,
            title="t",
            body="b",
            language="en",
            actor="test",
            symptom=before.symptom,
        )
        assert article is not None
        await articles.move(tx, article, ArticleMove.PUBLISH, "test")
    clock.forward(minutes=1)
    incident = await scene.incident("PAY-WAS-01")
    found = await scene.ask(incident)
    assert [cause.kind for cause in found.causes] == ["below", "change", "known", "thaw"]
    links = {line.link for cause in found.causes for line in cause.evidence}
    assert links == {
        f"incident:{below.key}",
        f"action:{changed.id}",
        f"incident:{before.key}",
        f"article:{article.key}",
        "",
    }
    assert [line.link for line in found.solved] == [f"action:{old.id}", f"incident:{before.key}"]
    async with any_db.read() as tx:
        assert await incidents.unresolved(tx) == {"P1": 1, "P2": 1}


async def test_a_list_by_symptom_class_and_time(
    any_db: Database, clock: FakeClock, tmp_path: Path
) -> None:
    scene = Scene(any_db, clock, tmp_path)
    await scene.start()
    first = await scene.incident("PAY-WAS-01")
    clock.forward(minutes=1)
    second = await scene.incident("PAY-DB-01", "no space left on device")

    async def keys(**filters: Any) -> list[str]:
        async with any_db.read() as tx:
            found = await incidents.listing(tx, 10, **filters)
        return [incident.key for incident in found]

    assert await keys(symptom=first.symptom) == [first.key]
    assert await keys(kind="DISK_FULL") == [second.key]
    assert await keys(since=second.created_at) == [second.key]
    assert await keys(until=first.created_at) == [first.key]
    assert await keys(since=first.created_at, until=clock.now) == [second.key, first.key]
