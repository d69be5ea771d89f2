"""What a press does. The token says which verb on which thing; this table says what a verb is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from engine.approvals.cancel import cancel
from engine.approvals.proposals import Verdict
from engine.approvals.second_factor import CodeNeeded, split_code
from engine.errors import GiveUp, Why
from handlers import article_buttons, incident_buttons, nudges, reasons
from handlers.action_card import plan_lines
from handlers.commands import cancel as cancel_command
from handlers.commands.call import Call
from handlers.replies import Reply
from prompts.texts import text
from storage import actions, buttons, cards
from storage.buttons import ButtonRow
from storage.database import Transaction

CARD_LIFETIME_MS = 7 * 24 * 3_600_000
"""How long a card's buttons answer at all; what they may still do is up to the row."""

KNOWLEDGE_LIFETIME_MS = 90 * 24 * 3_600_000
"""The same for articles and answers: a draft waits for weeks, and whoever asked may be away."""

QUESTION_LIFETIME_MS = 30 * 60_000
"""How long an offered choice stands."""


async def press(call: Call) -> None:
    """Handle a BUTTON or FORM event. Raises GiveUp for a token that is not good here and now."""
    button = await buttons.find(call.tx, call.event.button)
    if button is None or button.room_id != call.room.id:
        raise GiveUp(Why.MISSING, text("button_unknown"))
    await _same_message(call, button)
    if button.expires_at <= call.tx.now:
        old = "kb_button_expired" if button.verb in article_buttons.VERBS else "button_expired"
        raise GiveUp(Why.CONFLICT, text(old))
    if button.person_id is not None and button.person_id != call.person.id:
        raise GiveUp(Why.FORBIDDEN, text("button_not_yours"))
    await _VERBS[button.verb](call, button)


async def _same_message(call: Call, button: ButtonRow) -> None:
    """A token works on the message it was given to, nowhere else."""
    if button.card_id is None or not call.event.message:
        return
    card = await cards.by_id(call.tx, button.card_id)
    if card is not None and card.message and card.message != call.event.message:
        if card.subject.startswith(("article:", "answer:")):
            raise GiveUp(Why.CONFLICT, text("kb_old_copy"))
        if card.subject.startswith("incident:"):
            raise GiveUp(Why.CONFLICT, text("button_old_incident"))
        raise GiveUp(Why.CONFLICT, text("button_old_copy", id=button.payload.get("action", "?")))


async def _approve(call: Call, button: ButtonRow) -> None:
    number = button.payload["action"]
    try:
        await _decide(call, button, Verdict.APPROVE)
    except CodeNeeded as needed:
        # Nothing was written yet: the filled form decides.
        question = text("security_ask_code", id=number)
        if not await reasons.asked_first(call, question, needed.text, for_code=True):
            raise


async def _reject(call: Call, button: ButtonRow) -> None:
    number = button.payload["action"]
    question = text("ask_reject_reason", id=number)
    if not await reasons.asked_first(call, question, text("reject_by_command", id=number)):
        await _decide(call, button, Verdict.REJECT)


async def _decide(call: Call, button: ButtonRow, verdict: Verdict) -> None:
    typed = reasons.given(call)
    code, comment = split_code(typed) if verdict is Verdict.APPROVE else ("", typed)
    action = await call.services.proposals.decide(
        call.tx,
        call.person,
        int(button.payload["action"]),
        verdict,
        digest=button.payload["digest"],
        comment=comment,
        code=code,
    )
    await call.whisper(text(f"decided_{verdict}", id=action.id))


async def _cancel(call: Call, button: ButtonRow) -> None:
    policy = call.services.proposals.planner.policy
    action = await cancel(call.tx, policy, call.person, int(button.payload["action"]))
    await call.whisper(await cancel_command.answer(call.tx, action))


async def _details(call: Call, button: ButtonRow) -> None:
    action = await actions.by_id(call.tx, int(button.payload["action"]))
    if action is None:
        raise GiveUp(Why.MISSING, text("action_missing", id=button.payload["action"]))
    await call.whisper(
        Reply(
            title=text("details_title", id=action.id),
            text=text("details_text", digest=action.digest, policy=action.policy_version),
            code="\n".join(plan_lines(action.plan)),
        )
    )


async def _ran(call: Call, button: ButtonRow) -> None:
    await _settle(call, button, ran=True)


async def _not_run(call: Call, button: ButtonRow) -> None:
    await _settle(call, button, ran=False)


async def _settle(call: Call, button: ButtonRow, *, ran: bool) -> None:
    proposals = call.services.proposals
    action = await proposals.settle(call.tx, call.person, int(button.payload["action"]), ran=ran)
    await call.whisper(text("settled", id=action.id, state=text(f"state_{action.state.value}")))


async def _check(call: Call, button: ButtonRow) -> None:
    """Look at the hosts of an action whose end nobody knows: a read-only action of its own."""
    action = await actions.by_id(call.tx, int(button.payload["action"]))
    if action is None or not all(t in call.services.inventory.assets for t in action.targets):
        raise GiveUp(Why.INVALID, text("check_impossible"))
    await call.services.proposals.propose(
        call.tx,
        call.person,
        "service_status",
        action.targets,
        {},
        room_id=call.room.id,
        origin=call.origin,
    )
    await call.whisper(text("check_begun", id=action.id))


async def _choose(call: Call, button: ButtonRow) -> None:
    """An offered choice: the proposal that the question was about, now complete."""
    if not await buttons.use(call.tx, button.id):
        raise GiveUp(Why.CONFLICT, text("button_used"))
    wanted = button.payload
    action = await call.services.proposals.propose(
        call.tx,
        call.person,
        wanted["action_type"],
        wanted["targets"],
        wanted["params"],
        wanted["description"],
        room_id=call.room.id,
        origin=call.origin,
        hint=wanted["hint"],
    )
    await call.whisper(text("proposed", id=action.id))


async def _drop(call: Call, button: ButtonRow) -> None:
    if not await buttons.use(call.tx, button.id):
        raise GiveUp(Why.CONFLICT, text("button_used"))
    await call.whisper(text("dropped"))


_VERBS: Mapping[str, Callable[[Call, ButtonRow], Awaitable[None]]] = {
    "approve": _approve,
    "reject": _reject,
    "cancel": _cancel,
    "details": _details,
    "ran": _ran,
    "not_run": _not_run,
    "check": _check,
    "choose": _choose,
    "drop": _drop,
    **article_buttons.VERBS,
    **incident_buttons.VERBS,
    **nudges.VERBS,
}


async def issue_for_card(
    tx: Transaction,
    card: cards.CardCopy,
    verbs: list[str],
    payload: Mapping[str, Any],
    lifetime_ms: int = CARD_LIFETIME_MS,
) -> dict[str, str]:
    """Tokens for a card's buttons in one room, by verb."""
    return {
        verb: await buttons.issue(
            tx, card.room_id, verb, payload, lifetime_ms=lifetime_ms, card_id=card.id
        )
        for verb in verbs
    }


async def issue_for_choices(
    tx: Transaction,
    room_id: int,
    person_id: int | None,
    choices: list[Mapping[str, Any]],
    question: int | None = None,
) -> list[str]:
    """Tokens for the choices of a reply, in order. With ``question``, one of them can be taken."""
    return [
        await buttons.issue(
            tx,
            room_id,
            choice["verb"],
            choice["payload"],
            lifetime_ms=QUESTION_LIFETIME_MS,
            person_id=person_id,
            question=question,
        )
        for choice in choices
    ]
