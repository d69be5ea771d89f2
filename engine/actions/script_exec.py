"""Run a registered script once per host.

The script is put on the host under the name of its SHA-256, so the argv names exactly the bytes
that were approved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.actions.action_type import ActionType, Context, Slots, first_on_each_host
from engine.actions.slots import ARGUMENT, NEEDED, SCRIPT, Words
from engine.plan import Step

#: Below the login's home folder on the host.
REMOTE_FOLDER = ".watchstander"


def _slots(_: Context) -> Slots:
    return {"script": (SCRIPT, NEEDED), "args": (Words(ARGUMENT, 20), ())}


def _build(targets: Sequence[str], params: Mapping[str, Any], context: Context) -> tuple[Step, ...]:
    sha256 = context.scripts.sha256(params["script"])
    argv = [f"{REMOTE_FOLDER}/{sha256}", *params["args"]]
    return tuple(
        context.step(asset, argv, upload=sha256) for asset in first_on_each_host(targets, context)
    )


SCRIPT_EXEC = ActionType("script_exec", _build, _slots)
