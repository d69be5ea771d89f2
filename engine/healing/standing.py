"""How each playbook stands now: on or off, what came of it, whether it cools down."""

from __future__ import annotations

from dataclasses import dataclass

from engine.healing.playbooks import Playbook, Playbooks
from storage import attempts, playbooks
from storage.attempts import LastRun
from storage.database import Transaction
from storage.lifecycle import UNDER_WAY, AttemptState


@dataclass(frozen=True)
class Standing:
    """One playbook with what rows say of it."""

    playbook: Playbook
    enabled: bool
    succeeded: int
    failed: int
    skipped: int
    under_way: int
    last: LastRun | None
    """The latest attempt; None = it was never used."""
    cools_until: int | None
    """Its latest targets are left alone until then; None = they need not be."""


async def standings(tx: Transaction, known: Playbooks) -> list[Standing]:
    """Every playbook, in the order in which they are looked at."""
    off = await playbooks.off(tx)
    results = await attempts.results(tx)
    runs = await attempts.last_runs(tx)
    found = []
    for playbook in known:
        counts = results.get(playbook.name, {})
        last = runs.get(playbook.name)
        found.append(
            Standing(
                playbook,
                playbook.name not in off,
                counts.get(AttemptState.SUCCEEDED, 0),
                counts.get(AttemptState.FAILED, 0),
                counts.get(AttemptState.SKIPPED, 0),
                sum(counts.get(state, 0) for state in UNDER_WAY),
                last,
                _cools_until(playbook, last, tx.now),
            )
        )
    return found


def _cools_until(playbook: Playbook, last: LastRun | None, now: int) -> int | None:
    if last is None or last.tried_at is None:
        return None
    until = last.tried_at + playbook.cooldown_ms
    return until if until > now else None
