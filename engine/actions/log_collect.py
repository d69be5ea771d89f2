"""The last lines of a log: the journal, a container's output, or a file below the log roots.

For a file two steps are planned: ``realpath -e -- PATH`` and ``tail -n N -- PATH``.  The runner
goes on to the second only if the first printed exactly one path that is itself a plain path below
one of the log roots (Step.under), so a link may lead from one log to another, never out of the
roots and never to a hidden file.  ``tail`` gets the path that was shown, not the one that was
resolved: what was shown is what runs.

What is left: a local user of the host who may write below a log root can swap a file for a link in
the moment between the two steps.  No argv of ordinary tools opens a path and proves where it leads
in one go, and a shell on the host would be the worse risk.  So log roots should be writable only to
services, and Watchstander's login should have no more rights than to read logs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.actions.action_type import ActionType, Context, Slots, container, unit
from engine.actions.slots import LogPath, Number
from engine.inventory import Asset
from engine.plan import Step


def _slots(context: Context) -> Slots:
    return {"lines": (Number(1, 10_000), 200), "path": (LogPath(context.log_roots), None)}


def _build(targets: Sequence[str], params: Mapping[str, Any], context: Context) -> tuple[Step, ...]:
    lines = str(params["lines"])
    path = params.get("path")
    steps: list[Step] = []
    for code in targets:
        asset = context.asset(code)
        if path is not None:
            resolve = ["realpath", "-e", "--", path]
            steps.append(context.step(asset, resolve, under=context.log_roots))
            steps.append(context.step(asset, ["tail", "-n", lines, "--", path]))
        else:
            steps.append(context.step(asset, _stream(asset, lines)))
    return tuple(steps)


def _stream(asset: Asset, lines: str) -> list[str]:
    if asset.container:
        return ["docker", "logs", "--tail", lines, "--", container(asset)]
    return ["journalctl", "-u", unit(asset), "-n", lines, "--no-pager"]


LOG_COLLECT = ActionType("log_collect", _build, _slots, changes=False)
