"""From a wish to an action that waits, or runs; and the one decide() for every door.

Buttons, commands, words and REST all end in :meth:`Proposals.decide`.  It looks at the person
(their role as it is now, and that they are not the requester), at the digest and at the deadline;
the move itself is one conditional UPDATE, so of fifty clicks one wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from engine.approvals.second_factor import SecondFactor
from engine.approvals.settings import ApprovalSettings
from engine.errors import GiveUp, Why
from engine.plan import Plan
from engine.planning import Planner
from engine.risk import Level
from prompts.texts import Text, text
from storage import actions, cards, freezes, people, rooms
from storage.actions import Action, Guard, NewAction
from storage.database import Transaction
from storage.lifecycle import Move, State
from storage.people import Person, Role

_MINUTE = 60_000
_HOUR = 60 * _MINUTE


class Verdict(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"


class Proposals:
    """Propose, decide, and settle what nobody knows."""

    def __init__(
        self, planner: Planner, settings: ApprovalSettings, factor: SecondFactor | None = None
    ) -> None:
        """``factor`` None: approving takes no code."""
        self.planner = planner
        self._settings = settings
        self._factor = factor

    async def propose(
        self,
        tx: Transaction,
        person: Person,
        action_type: str,
        targets: Sequence[str],
        params: Mapping[str, Any],
        description: str = "",
        *,
        room_id: int | None = None,
        origin: str | None = None,
        hint: bool = False,
    ) -> Action:
        """Plan it, weigh it, and let it wait or run.

        ``origin`` makes it idempotent: the same delivery gives the same action.  ``hint`` is the
        reader's requires_approval, which may raise the risk, never lower it.  Raises GiveUp.
        """
        if origin is not None:
            known = await actions.by_origin(tx, origin)
            if known is not None:
                return known
        if person.role < Role.REQUESTER:
            raise GiveUp(Why.FORBIDDEN, text("propose_agent", name=person.name))
        plan = self.planner.plan(action_type, targets, params, hint=hint)
        if Level[plan.risk] > Level.LOW:
            await refuse_when_frozen(tx)
        new = NewAction(action_type, description, person.id, room_id, origin, plan.to_json())
        action = await actions.insert(tx, new, person.actor)
        if action is None:  # the same origin was committed by somebody else since we looked
            assert origin is not None
            known = await actions.by_origin(tx, origin)
            assert known is not None
            return known
        return await self._route(tx, action, person.actor)

    async def _route(self, tx: Transaction, action: Action, actor: str) -> Action:
        level = Level[action.risk]
        if level >= Level.HIGH:
            deadline = tx.now + self._settings.expire_hours * _HOUR
            await actions.move(tx, action.id, Move.ASK, actor, values={"decide_by": deadline})
        else:
            run_by = tx.now + self._settings.run_within_minutes * _MINUTE
            await actions.move(tx, action.id, Move.QUEUE, actor, values={"run_by": run_by})
        await self._place_cards(tx, action, everywhere=level > Level.LOW)
        return await _must(tx, action.id)

    async def _place_cards(self, tx: Transaction, action: Action, *, everywhere: bool) -> None:
        places = {action.room_id} if action.room_id is not None else set()
        if everywhere:
            places |= {room.id for room in await rooms.with_cards(tx)}
        for room_id in sorted(places):
            await cards.place(tx, action.subject, room_id)

    async def decide(
        self,
        tx: Transaction,
        person: Person,
        action_id: int,
        verdict: Verdict,
        *,
        digest: str | None = None,
        comment: str = "",
        code: str = "",
    ) -> Action:
        """Decide a waiting action. Gives it as it stands after; raises GiveUp with who and when.

        ``digest`` is that of the plan the person saw; None where the door shows none (a typed
        command), which then stands for the plan as it is in the row.  ``code`` is the second
        factor, for levels that take one: without it CodeNeeded is raised last of all, with a wrong
        one WrongCode, whose transaction has to be committed.
        """
        action = await actions.by_id(tx, action_id)
        if action is None:
            raise GiveUp(Why.MISSING, text("action_missing", id=action_id))
        await self._still_open(tx, action)
        self._may_decide(person, action)
        if digest is not None and digest != action.digest:
            raise GiveUp(Why.CONFLICT, text("decide_changed", id=action.id))
        if verdict is Verdict.APPROVE:
            await refuse_when_frozen(tx)
            self._still_the_same(action)
            if self._factor is not None and self._factor.wanted(action.risk):
                await self._factor.require(tx, person, action.id, code)
        moved = await self._move(tx, person, action, verdict, comment)
        after = await _must(tx, action_id)
        if not moved:
            await self._still_open(tx, after)
            raise GiveUp(Why.CONFLICT, text("decide_changed", id=action.id))
        return after

    async def _move(
        self, tx: Transaction, person: Person, action: Action, verdict: Verdict, comment: str
    ) -> bool:
        values: dict[str, Any] = {
            "decided_by": person.id,
            "decided_at": tx.now,
            "comment": comment,
        }
        if verdict is Verdict.APPROVE:
            values["run_by"] = tx.now + self._settings.run_within_minutes * _MINUTE
        return await actions.move(
            tx,
            action.id,
            Move.APPROVE if verdict is Verdict.APPROVE else Move.REJECT,
            person.actor,
            only=Guard(digest=action.digest, decide_by=True),
            values=values,
            detail={"digest": action.digest, "comment": comment, "role": person.role.name},
        )

    async def _still_open(self, tx: Transaction, action: Action) -> None:
        """Raises GiveUp that tells what became of it, and by whom and when."""
        if action.state is not State.PENDING_APPROVAL:
            raise GiveUp(Why.CONFLICT, await fate(tx, action))
        if action.decide_by is not None and action.decide_by <= tx.now:
            raise GiveUp(Why.CONFLICT, text("decide_expired", id=action.id, at=action.decide_by))

    def _may_decide(self, person: Person, action: Action) -> None:
        least = self.planner.policy.least_role(Level[action.risk])
        if person.id == action.requester_id:
            raise GiveUp(Why.FORBIDDEN, text("decide_own", id=action.id))
        if person.role < least:
            raise GiveUp(
                Why.FORBIDDEN,
                text("decide_role", id=action.id, risk=action.risk, least=least.name),
            )

    def _still_the_same(self, action: Action) -> None:
        """What is shown must be what would be planned now (TOCTOU). Raises GiveUp."""
        plan = self.replan(action)
        if plan is None or plan.digest != action.digest:
            raise GiveUp(Why.CONFLICT, text("decide_changed", id=action.id))

    def replan(self, action: Action) -> Plan | None:
        """The plan as it would be made now; None when it can no longer be made."""
        # A hint that raised the level then must raise it now, or each such plan looks changed.
        for hint in (False, True):
            try:
                plan = self.planner.plan(action.type, action.targets, action.params, hint=hint)
            except GiveUp:
                return None
            if plan.digest == action.digest:
                return plan
        return plan

    async def supersede(self, tx: Transaction, action: Action) -> Action | None:
        """The plan changed: void the card and post a new one for the same wish.

        Gives the new action; None when the wish can no longer be planned (the card says so).
        """
        moved = await actions.move(
            tx, action.id, Move.SUPERSEDE, actions.WATCHSTANDER, only=Guard(digest=action.digest)
        )
        person = await people.by_id(tx, action.requester_id)
        if not moved or person is None:
            return None
        try:
            new = await self.propose(
                tx,
                person,
                action.type,
                action.targets,
                action.params,
                action.description,
                room_id=action.room_id,
                origin=f"supersedes:{action.id}",
                # What needed a person before needs one still: the old hint is not kept.
                hint=Level[action.risk] >= Level.HIGH,
            )
        except GiveUp:
            return None
        await actions.link_successor(tx, action.id, new.id)
        return new

    async def settle(self, tx: Transaction, person: Person, action_id: int, *, ran: bool) -> Action:
        """A person says whether an UNKNOWN action ran. Raises GiveUp."""
        action = await actions.by_id(tx, action_id)
        if action is None:
            raise GiveUp(Why.MISSING, text("action_missing", id=action_id))
        least = max(self.planner.policy.least_role(Level[action.risk]), Role.ENGINEER)
        if person.role < least:
            raise GiveUp(
                Why.FORBIDDEN,
                text("decide_role", id=action.id, risk=action.risk, least=least.name),
            )
        step = Move.SETTLE_RAN if ran else Move.SETTLE_NOT_RUN
        if not await actions.move(tx, action_id, step, person.actor, detail={"by": person.name}):
            raise GiveUp(Why.CONFLICT, await fate(tx, await _must(tx, action_id)))
        return await _must(tx, action_id)


async def refuse_when_frozen(tx: Transaction) -> None:
    """Raises GiveUp while a freeze is on."""
    freeze = await freezes.current(tx)
    if freeze is not None:
        raise GiveUp(
            Why.CONFLICT,
            text("frozen", name=freeze.begun_by, at=freeze.begun_at, reason=freeze.reason),
        )


async def fate(tx: Transaction, action: Action) -> Text:
    """What became of an action that no longer waits: by whom, when, and how it stands."""
    if action.state is State.SUPERSEDED:
        return text("fate_superseded", id=action.id, new=action.superseded_by)
    if action.state is State.EXPIRED:
        return text("fate_expired", id=action.id)
    if action.state is State.CANCELLED:
        by = await people.name_of(tx, action.cancelled_by)
        return text("fate_cancelled", id=action.id, name=by, at=action.cancelled_at)
    state = text(f"state_{action.state.value}")
    if action.decided_by is None:
        return text("fate_no_decision", id=action.id, state=state)
    key = "fate_rejected" if action.state is State.REJECTED else "fate_approved"
    name = await people.name_of(tx, action.decided_by)
    return text(key, id=action.id, name=name, at=action.decided_at, state=state)


async def _must(tx: Transaction, action_id: int) -> Action:
    action = await actions.by_id(tx, action_id)
    assert action is not None
    return action
