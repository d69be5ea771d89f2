"""An incident, the people about it, and attempts to repair it, for tests of the tables."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from storage import attempts, incidents, people
from storage.attempts import Attempt
from storage.database import Database, Transaction
from storage.incidents import Incident
from storage.lifecycle import AttemptMove
from storage.people import Listing, Person, Role
from storage.tables import audit

#: From BEFORE to each end.
SUCCEEDS = (AttemptMove.ACT, AttemptMove.LOOK, AttemptMove.SETTLE, AttemptMove.SUCCEED)
FAILS = (AttemptMove.ACT, AttemptMove.LOOK, AttemptMove.FAIL)
SKIPS = (AttemptMove.SKIP,)


async def jun(db: Database) -> Person:
    """An engineer."""
    async with db.write() as tx:
        await people.sync(tx, [Listing("jun", Role.ENGINEER, "ko")])
        (person,) = await people.everyone(tx)
    return person


async def incident(db: Database, symptom: str = "5ca1ab1e00000000") -> Incident:
    async with db.write() as tx:
        return await incidents.create(
            tx,
            source="alertmanager",
            severity="P1",
            summary="메모리 부족",
            asset="PAY-01",
            actor="test",
            kind="OOM",
            symptom=symptom,
        )


async def begin(
    db: Database,
    about: Incident,
    *targets: str,
    playbook: str = "app-oom",
    action_type: str = "server_restart",
) -> Attempt:
    async with db.write() as tx:
        return await attempts.begin(
            tx,
            about,
            playbook=playbook,
            playbook_digest="d" * 64,
            action_type=action_type,
            targets=targets,
        )


async def goes(db: Database, attempt: Attempt, steps: Sequence[AttemptMove]) -> Attempt:
    """The attempt after these moves, one transaction each."""
    for step in steps:
        async with db.write() as tx:
            attempt = await attempts.must(tx, attempt.id)
            assert await attempts.move(tx, attempt, step)
            attempt = await attempts.must(tx, attempt.id)
    return attempt


async def recorded(tx: Transaction, prefix: str) -> list[tuple[str, str, str]]:
    """Actor, kind and subject of the audit rows whose kind begins so, oldest first."""
    query = sa.select(audit.c.actor, audit.c.kind, audit.c.subject)
    rows = await tx.all(query.where(audit.c.kind.startswith(prefix)).order_by(audit.c.seq))
    return [(row.actor, row.kind, row.subject) for row in rows]
