"""/heal: the playbooks, what came of them, what stands in their way, and a dry run of a text."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from engine.actions.names import action_name
from engine.errors import GiveUp, Why
from engine.healing.consider import Considering
from engine.healing.playbooks import SEVERITIES
from engine.healing.standing import Standing, standings
from engine.healing.trial import Trial, try_text
from engine.requests.words import quoted
from handlers.card import Tone
from handlers.commands.arguments import action_id, head, none_left
from handlers.commands.call import Call, Command
from handlers.replies import Reply
from prompts.texts import Text, text
from storage import attempts, blocks, breakers, incidents, playbooks
from storage.blocks import Block
from storage.database import Transaction
from storage.people import Role

USAGE = "/heal [list | on NAME | off NAME | try [P1|P2|P3] [ASSET] TEXT | lift N | close SCOPE]"
_SHOWN = 10
_MOST_PLAYBOOKS = 40


async def run(call: Call) -> None:
    verb, rest = head(call.arguments)
    act = _VERBS.get(verb.lower() or "list")
    if act is None:
        raise GiveUp(Why.INVALID, text("argument_extra", given=quoted(verb), usage=USAGE))
    await act(call, rest)


async def _list(call: Call, rest: str) -> None:
    none_left(rest, "/heal")
    known = call.services.healer.playbooks
    found = await standings(call.tx, known)
    lines: list[Text | str] = []
    if not call.services.healer.settings.enabled:
        lines.append(text("playbook_healing_off"))
    lines += [_line(one, call.person.language) for one in found[:_MOST_PLAYBOOKS]]
    if len(found) > _MOST_PLAYBOOKS:
        lines.append(text("playbook_more", count=len(found) - _MOST_PLAYBOOKS))
    lines += await breaker_lines(call.tx) + await _blocks(call)
    await call.whisper(
        Reply(title=text("playbook_list_title", count=len(found)), lines=tuple(lines))
    )


def _line(one: Standing, language: str) -> Text:
    return text(
        "playbook_line",
        name=one.playbook.name,
        title=one.playbook.title[language],
        state=_state(one),
        succeeded=one.succeeded,
        failed=one.failed,
        skipped=one.skipped,
        last=one.last.started_at if one.last else None,
    )


def _state(one: Standing) -> Text:
    if not one.enabled:
        return text("playbook_state_off")
    if one.under_way:
        return text("playbook_state_under_way", count=one.under_way)
    if one.cools_until is not None:
        return text("playbook_state_cools", until=one.cools_until)
    return text("playbook_state_on")


async def breaker_lines(tx: Transaction) -> list[Text | str]:
    """A line for each open breaker, the longest open first; not more than a card can hold."""
    found = await breakers.open_ones(tx)
    lines: list[Text | str] = [
        text("playbook_breaker_line", scope=one.scope, limit=one.limit, at=one.opened_at)
        for one in found[:_SHOWN]
    ]
    if len(found) > _SHOWN:
        lines.append(text("playbook_more", count=len(found) - _SHOWN))
    return lines


async def _blocks(call: Call) -> list[Text | str]:
    found = await blocks.standing(call.tx)
    lines: list[Text | str] = [await _block(call, one) for one in found[:_SHOWN]]
    if len(found) > _SHOWN:
        lines.append(text("playbook_more", count=len(found) - _SHOWN))
    return lines


async def _block(call: Call, block: Block) -> Text:
    failed = await attempts.must(call.tx, block.attempt_id)
    incident = await incidents.must(call.tx, failed.incident_id)
    return text(
        "playbook_block_line",
        id=block.id,
        type=action_name(block.action_type),
        symptom=block.symptom,
        incident=incident.key,
        action=failed.action_id,
        until=block.expires_at,
        avoided=block.avoided,
    )


async def _on(call: Call, rest: str) -> None:
    await _switch(call, rest, on=True)


async def _off(call: Call, rest: str) -> None:
    await _switch(call, rest, on=False)


async def _switch(call: Call, rest: str, *, on: bool) -> None:
    usage = "/heal on NAME" if on else "/heal off NAME"
    _engineers_only(call, usage)
    playbook = call.services.healer.playbooks.named(rest.lower())
    if playbook is None:
        known = ", ".join(one.name for one in call.services.healer.playbooks)
        given = quoted(rest) if rest else "–"
        raise GiveUp(Why.MISSING, text("playbook_unknown", given=given, known=known))
    key = "on" if on else "off"
    if not await playbooks.switch(call.tx, playbook.name, on, call.person):
        raise GiveUp(Why.CONFLICT, text(f"playbook_{key}_already", name=playbook.name))
    await call.answer(text(f"playbook_{key}", name=playbook.name, person=call.person.name))


async def _lift(call: Call, rest: str) -> None:
    usage = "/heal lift N"
    _engineers_only(call, usage)
    block = await blocks.by_id(call.tx, action_id(rest, usage))
    if block is None or not await blocks.lift(call.tx, block, call.person, "person"):
        raise GiveUp(Why.MISSING, text("playbook_no_block", given=quoted(rest)))
    words = text(
        "playbook_lifted",
        id=block.id,
        type=action_name(block.action_type),
        symptom=block.symptom,
        person=call.person.name,
    )
    await call.answer(words)


async def _close(call: Call, rest: str) -> None:
    _engineers_only(call, "/heal close SCOPE")
    if not await breakers.close(call.tx, rest, call.person):
        known = ", ".join(one.scope for one in await breakers.open_ones(call.tx)) or "–"
        given = quoted(rest) if rest else "–"
        raise GiveUp(Why.MISSING, text("playbook_no_breaker", given=given, known=known))
    await call.answer(text("playbook_closed", scope=rest, person=call.person.name))


def _engineers_only(call: Call, usage: str) -> None:
    if call.person.role < Role.ENGINEER:
        least = text(f"role_{Role.ENGINEER.name}")
        raise GiveUp(Why.FORBIDDEN, text("command_role", usage=usage, least=least))


async def _try(call: Call, rest: str) -> None:
    severity, asset, words = _tried(call, rest)
    if not words:
        usage = "/heal try [P1|P2|P3] [ASSET] TEXT"
        raise GiveUp(Why.INVALID, text("playbook_try_empty", usage=usage))
    healer, planner = call.services.healer, call.services.proposals.planner
    known = Considering(planner, healer.playbooks, healer.settings)
    trial = await try_text(call.tx, known, words, severity, asset)
    fields: list[tuple[Text | str, Text | str]] = [
        (text("playbook_field_class"), trial.kind),
        (text("playbook_field_severity"), severity),
        (text("playbook_field_symptom"), trial.symptom),
    ]
    if trial.playbook is not None:
        title = trial.playbook.title[call.person.language]
        fields.append((text("playbook_field_playbook"), f"{trial.playbook.name}: {title}"))
    if trial.targets:
        fields.append((text("playbook_field_targets"), ", ".join(trial.targets)))
    if trial.plan is not None:
        fields.append((text("playbook_field_action"), action_name(trial.plan.action)))
        fields.append((text("playbook_field_risk"), trial.plan.risk))
    good = trial.weighed is not None and trial.weighed.go
    await call.whisper(
        Reply(
            title=text("playbook_try_title"),
            fields=tuple(fields),
            text=_verdict(trial, asset),
            note=text("playbook_try_note"),
            tone=Tone.GOOD if good else Tone.PLAIN,
        )
    )


def _tried(call: Call, rest: str) -> tuple[str, str | None, str]:
    """Severity, asset and text: the first words only where they are exactly that."""
    severity, asset = SEVERITIES[0], None
    first, more = head(rest)
    if first.upper() in SEVERITIES:
        severity, rest = first.upper(), more
    first, more = head(rest)
    codes = {code.lower(): code for code in call.services.inventory.assets}
    if first.lower() in codes:
        asset, rest = codes[first.lower()], more
    return severity, asset, rest


def _verdict(trial: Trial, asset: str | None) -> Text:
    """One sentence: what would happen, or the first thing that stands in the way."""
    playbook, weighed = trial.playbook, trial.weighed
    if playbook is None:
        return text("playbook_try_none")
    if trial.refused is not None:
        return text("playbook_try_no_plan", why=trial.refused)
    if weighed is None:
        key = "playbook_try_no_target" if asset else "playbook_try_no_asset"
        return text(key, role=playbook.step.role, asset=asset or "")
    if weighed.text is not None:
        return text("playbook_try_stopped", why=weighed.text)
    if playbook.step.kind == "WAIT_RETRY":
        return text("playbook_try_waits", minutes=playbook.step.wait_ms // 60_000)
    if trial.plan is None:
        return text("playbook_try_tells")
    return text("playbook_try_goes")


_VERBS: Mapping[str, Callable[[Call, str], Awaitable[None]]] = {
    "list": _list,
    "on": _on,
    "off": _off,
    "try": _try,
    "lift": _lift,
    "close": _close,
}


def _meant(arguments: str) -> bool:
    verb, rest = head(arguments)
    if verb.lower() in ("", "list"):
        return not rest
    return verb.lower() in _VERBS and bool(rest)


COMMAND = Command("heal", "playbook_summary", USAGE, run, meant=_meant)
