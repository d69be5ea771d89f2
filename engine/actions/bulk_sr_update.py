"""The same change to up to 100 service requests. Runs inside Watchstander; no host is touched.

The value's slot follows the operation: a comment is prose in any language, an assignee is a
person's name, a priority is one of four words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.actions.action_type import ActionType, Context, On, Slots
from engine.actions.slots import NEEDED, Choice, PersonName, Prose, Slot
from engine.errors import GiveUp, Why
from engine.plan import Step
from prompts.texts import text

PRIORITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW")
_VALUES: Mapping[str, Slot] = {
    "close": Prose(500),
    "assign": PersonName(),
    "priority": Choice(PRIORITIES),
    "comment": Prose(500),
}


class _Value:
    """Any value that one of the operations can take; the operation's own slot looks again."""

    def read(self, value: object, name: str) -> str:
        return "" if value == "" else Prose(500).read(value, name)


def _slots(_: Context) -> Slots:
    return {"op": (Choice(tuple(_VALUES)), NEEDED), "value": (_Value(), "")}


def _build(targets: Sequence[str], params: Mapping[str, Any], _: Context) -> tuple[Step, ...]:
    operation, value = params["op"], params["value"]
    if value:
        _VALUES[operation].read(value, "value")
    elif operation != "close":
        raise GiveUp(Why.INVALID, text("plan_param_missing", action="bulk_sr_update", name="value"))
    return tuple(Step(key, "", "", ("request", operation, key, value)) for key in targets)


BULK_SR_UPDATE = ActionType("bulk_sr_update", _build, _slots, On.REQUESTS)
