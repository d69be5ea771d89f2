"""/api/auto: the queue of actions, deciding, the history, and the cycle (requirements row D5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query
from pydantic import Field, StrictBool, StrictInt, StrictStr

from engine.approvals.cancel import cancel
from engine.approvals.proposals import Verdict
from engine.approvals.second_factor import WrongCode
from engine.cycle import CYCLE
from engine.errors import GiveUp, Why
from engine.plan import Plan
from engine.planning import to_report
from engine.requests.words import quoted
from engine.risk import Level
from handlers.api.door import Caller, admins_only, api_router, no_agents, origin, page
from handlers.api.problems import Strict
from handlers.services import Services
from prompts.texts import Text, say, text
from storage import actions, clocks, freezes, outbox, people, requests
from storage.actions import Action
from storage.database import Transaction
from storage.lifecycle import AUTO_DONE, FINAL, State, status
from storage.people import Person
from storage.redaction import hidden

_WAITING = tuple(state for state in State if state not in FINAL)
_MAX_ID = 2**63 - 1

Scalar = StrictStr | StrictInt | StrictBool
Short = Annotated[StrictStr, Field(max_length=200)]
ActionId = Annotated[int, Path(ge=1, le=_MAX_ID)]
Limit = Annotated[int, Query(ge=1, le=200)]
Before = Annotated[int | None, Query(ge=1, le=_MAX_ID)]
Key = Annotated[str | None, Header(alias="Idempotency-Key")]


@dataclass(frozen=True)
class Wanted:
    """Which actions a list shows."""

    states: tuple[State, ...]
    undecided: bool = False


class NewAction(Strict):
    """What is asked for."""

    action_type: Annotated[StrictStr, Field(min_length=1, max_length=64)]
    targets: Annotated[list[Short], Field(max_length=100)]
    params: Annotated[
        dict[Short, Scalar | list[Scalar]], Field(max_length=50, default_factory=dict)
    ]
    description: Annotated[StrictStr, Field(max_length=2_000)] = ""


class Decision(Strict):
    """Why, the digest of the plan that was looked at (a must to approve HIGH and CRITICAL), and
    the code of the second factor where approving takes one."""

    comment: Annotated[StrictStr, Field(max_length=1_000)] = ""
    digest: Annotated[StrictStr, Field(max_length=64)] | None = None
    code: Annotated[StrictStr, Field(max_length=20, repr=False)] = ""


class Cancelling(Strict):
    """Why it is called off."""

    reason: Annotated[StrictStr, Field(max_length=1_000)] = ""


def auto_routes(services: Services) -> APIRouter:
    """The routes of /api/auto."""
    router = api_router(services, "/api/auto", "actions")
    _cycle_routes(router, services)
    _queue_routes(router, services)
    _decision_routes(router, services)
    return router


def _cycle_routes(router: APIRouter, services: Services) -> None:
    @router.get("/status")
    async def get_status(person: Caller) -> dict[str, Any]:
        """What waits, what is frozen, whether all parts are alive, and the last cycle."""
        async with services.db.read() as tx:
            return await _status(tx, services, person.language)

    @router.post("/run")
    async def run_cycle(person: Caller) -> dict[str, Any]:
        """Run the cycle now (ADMIN) and give its report."""
        admins_only(person)
        return (await services.cycle.run_once()).to_json()


def _queue_routes(router: APIRouter, services: Services) -> None:
    @router.get("/queue")
    async def get_queue(
        person: Caller,
        status: str | None = None,
        limit: Limit = 50,
        before: Before = None,
    ) -> dict[str, Any]:
        """Actions that are not over, newest first; with ``status``, those of that state."""
        return await _page(services, person, _wanted(status, _WAITING), limit, before)

    @router.post("/queue", status_code=201)
    async def propose(
        person: Caller, wanted: NewAction, idempotency_key: Key = None
    ) -> dict[str, Any]:
        """Propose an action. The same ``Idempotency-Key`` gives the same action again."""
        no_agents(person)
        async with services.db.write() as tx:
            action = await services.proposals.propose(
                tx,
                person,
                wanted.action_type,
                wanted.targets,
                wanted.params,
                wanted.description,
                origin=origin(person, idempotency_key),
            )
        return _proposed(action, person.language)

    @router.get("/history")
    async def get_history(
        person: Caller,
        status: str | None = None,
        limit: Limit = 50,
        before: Before = None,
    ) -> dict[str, Any]:
        """Actions that are over, newest first."""
        return await _page(services, person, _wanted(status, FINAL), limit, before)


def _decision_routes(router: APIRouter, services: Services) -> None:
    @router.post("/approve/{id}")
    async def approve(
        person: Caller, id: ActionId, decision: Decision | None = None
    ) -> dict[str, Any]:
        """Say yes to a waiting action."""
        return await _decide(services, person, id, Verdict.APPROVE, decision or Decision())

    @router.post("/reject/{id}")
    async def reject(
        person: Caller, id: ActionId, decision: Decision | None = None
    ) -> dict[str, Any]:
        """Say no to a waiting action."""
        return await _decide(services, person, id, Verdict.REJECT, decision or Decision())

    @router.post("/cancel/{id}")
    async def call_off(
        person: Caller, id: ActionId, cancelling: Cancelling | None = None
    ) -> dict[str, Any]:
        """Call an action off: it never begins, or begins on no further host."""
        no_agents(person)
        policy, wanted = services.proposals.planner.policy, cancelling or Cancelling()
        async with services.db.write() as tx:
            action = await cancel(tx, policy, person, id, wanted.reason)
            return await _shown(tx, action, person.language)


async def _decide(
    services: Services, person: Person, action_id: int, verdict: Verdict, decision: Decision
) -> dict[str, Any]:
    no_agents(person)
    async with services.db.write() as tx:
        try:
            return await _decided(tx, services, person, action_id, verdict, decision)
        except WrongCode as wrong:
            refused = wrong
    # Raised behind the commit: the failed try has to count.
    raise refused


async def _decided(
    tx: Transaction,
    services: Services,
    person: Person,
    action_id: int,
    verdict: Verdict,
    decision: Decision,
) -> dict[str, Any]:
    action = await services.proposals.decide(
        tx,
        person,
        action_id,
        verdict,
        digest=decision.digest,
        comment=decision.comment,
        code=decision.code,
    )
    approving = verdict is Verdict.APPROVE
    if approving and decision.digest is None and Level[action.risk] >= Level.HIGH:
        # Raised after decide(), so that the wrong person and the late one hear that first;
        # the transaction is rolled back and nothing was decided.
        raise GiveUp(Why.INVALID, text("api_digest_needed", risk=action.risk))
    return await _shown(tx, action, person.language)


async def _status(tx: Transaction, services: Services, language: str) -> dict[str, Any]:
    counts = await actions.counts(tx)
    freeze = await freezes.current(tx)
    cycle = services.cycle
    return {
        "pending": counts.get(State.PENDING_APPROVAL, 0),
        "actions": {state.value: counts.get(state, 0) for state in State},
        "requests": await requests.counts(tx),
        "undelivered": await outbox.undelivered(tx),
        "frozen": freeze
        and {"by": freeze.begun_by, "at": freeze.begun_at, "reason": freeze.reason},
        "links": [
            # The name is for programs to look up, so it is the same for everybody.
            {
                "name": say(link.name, "en"),
                "ok": link.ok,
                "detail": hidden(say(link.detail, language)),
            }
            for link in services.links()
        ],
        "cycle": {
            "running": cycle.running,
            "every_minutes": cycle.settings.minutes,
            "last": await clocks.noted(tx, CYCLE),
        },
    }


async def _page(
    services: Services, person: Person, wanted: Wanted, limit: int, before: int | None
) -> dict[str, Any]:
    async with services.db.read() as tx:
        found = await actions.listing(
            tx, states=wanted.states, limit=limit, before=before, undecided=wanted.undecided
        )
        shown = [await _shown(tx, action, person.language) for action in found]
    return page(found, limit, shown)


def _wanted(status: str | None, default: Iterable[State]) -> Wanted:
    if status is None:
        return Wanted(tuple(default))
    if status.upper() == AUTO_DONE:
        return Wanted((State.SUCCEEDED,), undecided=True)
    if status.upper() in State.__members__:
        return Wanted((State(status.upper()),))
    known = ", ".join((*State, AUTO_DONE))
    raise GiveUp(Why.INVALID, text("api_bad_state", given=quoted(status), known=known))


def _proposed(action: Action, language: str) -> dict[str, Any]:
    plan = to_report(Plan.from_json(action.plan))
    reasons = [say(Text.from_json(reason), language) for reason in action.reasons]
    return {
        "id": action.id,
        "risk": action.risk,
        "reasons": reasons,
        "status": status(action.state, approved=action.approved),
        "state": action.state.value,
        "plan": plan | {"reasons": reasons},
        "digest": action.digest,
    }


async def _shown(tx: Transaction, action: Action, language: str) -> dict[str, Any]:
    """An action as lists and decisions show it. Times are milliseconds since 1970 in UTC."""
    return _proposed(action, language) | {
        "action_type": action.type,
        "targets": list(action.targets),
        "params": action.params,
        "description": action.description,
        "requester": await people.name_of(tx, action.requester_id),
        "created_at": action.created_at,
        "decide_by": action.decide_by,
        "decided_by": await people.name_of(tx, action.decided_by) or None,
        "decided_at": action.decided_at,
        "comment": action.comment,
        "run_by": action.run_by,
        "started_at": action.started_at,
        "finished_at": action.finished_at,
        "result": action.result,
        "superseded_by": action.superseded_by,
        "progress": action.progress,
        "cancelled_by": await people.name_of(tx, action.cancelled_by) or None,
        "cancelled_at": action.cancelled_at,
    }
