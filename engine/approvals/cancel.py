"""Calling an action off: before it begins it never runs, and of one that runs no more is begun.

Nothing that was sent is stopped on its host: half a restart is worse than a whole one.
"""

from __future__ import annotations

from engine.actions.names import action_name
from engine.errors import GiveUp, Why
from engine.risk import Level, Policy
from prompts.texts import text
from storage import actions, outbox, people
from storage.actions import Action
from storage.database import Transaction
from storage.lifecycle import State
from storage.people import Person, Role


async def cancel(
    tx: Transaction, policy: Policy, person: Person, action_id: int, reason: str = ""
) -> Action:
    """Call an action off. Gives it as it stands after; the second time changes nothing.

    Whoever asked for it may, and whoever could say yes to it; never a program.  Raises GiveUp.
    """
    action = await actions.by_id(tx, action_id)
    if action is None:
        raise GiveUp(Why.MISSING, text("action_missing", id=action_id))
    _may_cancel(policy, person, action)
    detail = {"digest": action.digest, "role": person.role.name}
    done = await actions.cancel(tx, action_id, person.id, person.actor, reason, detail)
    after = await actions.by_id(tx, action_id)
    assert after is not None
    if not done and (after.cancelled_at is None or after.state not in _CALLED_OFF):
        state = text(f"state_{after.state.value}")
        raise GiveUp(Why.CONFLICT, text("cancel_late", id=action.id, state=state))
    if done and person.id != action.requester_id:
        await _tell_requester(tx, after, person, reason)
    return after


_CALLED_OFF = (State.CANCELLED, State.RUNNING)
"""Where an action stands that was called off, as long as that can still be said of it."""


def _may_cancel(policy: Policy, person: Person, action: Action) -> None:
    # For what needs no yes the table names the least role that may ask: that is everybody.
    least = max(policy.least_role(Level[action.risk]), Role.ENGINEER)
    asked = person.id == action.requester_id and person.role >= Role.REQUESTER
    if not asked and person.role < least:
        raise GiveUp(
            Why.FORBIDDEN, text("cancel_role", id=action.id, risk=action.risk, least=least.name)
        )


async def _tell_requester(tx: Transaction, action: Action, person: Person, reason: str) -> None:
    """An edited card rings no bell."""
    if action.room_id is None:
        return
    words = text(
        "cancel_told",
        id=action.id,
        type=action_name(action.type),
        name=await people.name_of(tx, action.requester_id),
        by=person.name,
        reason=reason,
        running=action.state is State.RUNNING,
    )
    await outbox.say(tx, action.room_id, {"text": words.to_json()})
