"""/nudges [on|off [RULE]]: the checks that are offered when people talk about trouble."""

from __future__ import annotations

import difflib

from engine.actions.names import action_name
from engine.errors import GiveUp, Why
from engine.nudges import NudgeRule
from engine.requests.words import quoted
from handlers.commands.arguments import head, none_left
from handlers.commands.call import Call, Command
from handlers.replies import Reply
from prompts.texts import Text, text
from storage import nudges
from storage.nudges import EVERY, Standing
from storage.people import Role

USAGE = "/nudges [on|off [RULE]]"


async def run(call: Call) -> None:
    verb, rest = head(call.arguments)
    if not verb:
        await _show(call)
        return
    if verb.lower() not in ("on", "off"):
        raise GiveUp(Why.INVALID, text("nudges_usage", given=quoted(verb), usage=USAGE))
    name, rest = head(rest)
    none_left(rest, USAGE)
    if call.person.role < Role.ENGINEER and not call.event.direct:
        raise GiveUp(Why.FORBIDDEN, text("nudges_role", least=text("role_ENGINEER")))
    await _switch(call, _rule_named(call, name) if name else EVERY, off=verb.lower() == "off")


async def _switch(call: Call, rule: str, *, off: bool) -> None:
    if not await nudges.switch(call.tx, call.room.id, rule, call.person, off=off):
        raise GiveUp(Why.CONFLICT, text("nudges_as_before", rule=rule, off=off))
    await call.answer(text("nudges_switched", rule=rule, off=off, name=call.person.name))


def _rule_named(call: Call, name: str) -> str:
    known = [rule.name for rule in call.services.nudges.rules]
    if name.lower() in known:
        return name.lower()
    near = difflib.get_close_matches(name.lower(), known, 1)
    shown = ", ".join(near or known)
    raise GiveUp(Why.MISSING, text("nudges_no_rule", given=quoted(name), known=shown))


async def _show(call: Call) -> None:
    rules = call.services.nudges
    stands = await nudges.standing(call.tx, call.room.id)
    lines: list[Text | str] = []
    if not rules.settings.enabled:
        lines.append(text("nudges_disabled"))
    elif (whole := stands.get(EVERY)) and whole.off:
        lines.append(text("nudges_room_off"))
    lines += [_line(call, rule, stands.get(rule.name)) for rule in rules.rules]
    minutes = rules.settings.cooldown_minutes
    title = text("nudges_title", minutes=minutes)
    await call.whisper(Reply(title=title, lines=tuple(lines), note=text("nudges_how")))


def _line(call: Call, rule: NudgeRule, stands: Standing | None) -> Text:
    if not call.services.nudges.is_low(rule):
        state = text("nudges_state_not_low", action=rule.action)
    elif stands is not None and stands.off:
        state = text("nudges_state_off")
    else:
        state = text("nudges_state_on", at=stands.offered_at if stands else None)
    words = ", ".join(_in_script(rule.words, call.person.language)[:8])
    words += "…" if len(rule.words) > 8 else ""
    return text(
        "nudges_line", rule=rule.name, check=action_name(rule.action), state=state, words=words
    )


def _in_script(words: tuple[str, ...], language: str) -> list[str]:
    """The words of the reader's own script first."""
    first, last = {"ko": ("가", "힣"), "zh-TW": ("一", "鿿")}.get(language, ("!", "~"))
    return sorted(words, key=lambda word: not any(first <= sign <= last for sign in word))


def _meant(rest: str) -> bool:
    return not rest or head(rest)[0].lower() in ("on", "off")


COMMAND = Command("nudges", "help_nudges", USAGE, run, meant=_meant)
