"""Looks at services and addresses, and says whether they are well. Changes nothing anywhere.

What runs on a host is the plan of an action type that only looks (LOW), sent by the one SSH runner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.errors import GiveUp
from engine.execution.outcome import Outcome, RunResult, StepResult
from engine.execution.ssh import SshRunner
from engine.healing.checks import Check
from engine.healing.reach import Reach
from engine.healing.service_state import Seen, container_state, disk_use, unit_state
from engine.inventory import Asset
from engine.plan import Step
from engine.planning import Planner
from prompts.texts import Text, text

LOOK_S = 20.0
"""Seconds that a look at several assets may take; what is not known by then is not known."""


@dataclass(frozen=True)
class Finding:
    """What one look found."""

    probe: str
    """What was looked at: "HB-LOAN-WAS-01 (tomcat)", or a check by its name."""
    ok: bool | None
    """None = it could not be told; the detail says why."""
    detail: Text
    restarts: int | None = None
    """How often the service was started anew by its supervisor; None = not told."""

    def to_json(self) -> dict[str, Any]:
        return {
            "probe": self.probe,
            "ok": self.ok,
            "detail": self.detail.to_json(),
            "restarts": self.restarts,
        }

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> Finding:
        detail = Text.from_json(raw["detail"])
        return Finding(raw["probe"], raw["ok"], detail, raw.get("restarts"))


class Prober:
    """Looks. Hosts side by side: one that is away delays no other."""

    def __init__(
        self,
        planner: Planner,
        runner: SshRunner,
        checks: Sequence[Check],
        look_s: float = LOOK_S,
    ) -> None:
        self.checks = {check.name: check for check in checks}
        self._planner = planner
        self._runner = runner
        self._reach = Reach()
        self._look_s = look_s

    async def look(self, assets: Sequence[str]) -> tuple[Finding, ...]:
        """The service of each asset, then each check that names one of them, in that order.

        Raises nothing for a host's sake; ends within ``look_s`` seconds.
        """
        wanted = list(dict.fromkeys(assets))
        # A check of a unit or container is the very look that its asset gets anyway.
        checks = [
            check
            for check in self.checks.values()
            if check.asset in wanted and check.kind not in ("unit", "container")
        ]
        limits = [min(check.timeout_s, self._look_s) for check in checks]
        services, others = await asyncio.gather(
            self._services(wanted, self._look_s),
            asyncio.gather(*map(self._checked, checks, limits)),
        )
        return (*services, *others)

    async def check(self, name: str) -> Finding:
        """One configured check by its name; "could not be told" for one that is not there."""
        check = self.checks.get(name)
        if check is None:
            return Finding(name, None, text("probe_no_such_check", name=name))
        return await self._checked(check, check.timeout_s)

    async def _checked(self, check: Check, seconds: float) -> Finding:
        if check.kind in ("unit", "container"):
            (found,) = await self._services([check.asset], seconds)
            return replace(found, probe=check.name)
        if check.kind == "tcp":
            seen = await self._reach.tcp(self._address(check), check.port, seconds)
        elif check.kind == "http":
            seen = await self._reach.http(check, seconds)
        else:
            seen = await self._disk(check, seconds)
        return Finding(check.name, seen.ok, seen.detail, seen.restarts)

    def _address(self, check: Check) -> str:
        asset = self._planner.inventory.assets.get(check.asset)
        return check.address or (asset.address or asset.host if asset else "")

    async def _services(self, codes: Sequence[str], seconds: float) -> list[Finding]:
        """The state of each asset's unit or container, one connection per host."""
        found: dict[str, Seen] = {}
        hosts: dict[tuple[str, str, int], list[str]] = {}
        for code in codes:
            asset = self._planner.inventory.assets.get(code)
            try:
                self._planner.plan("service_status", [code], {})
            except GiveUp as refusal:
                found[code] = Seen(None, refusal.text)
                continue
            assert asset is not None  # the planner knows no others
            hosts.setdefault((asset.host, asset.address, asset.port), []).append(code)
        looks = (self._run("service_status", there, seconds) for there in hosts.values())
        for answers in await asyncio.gather(*looks):
            found.update(
                (code, answer if isinstance(answer, Seen) else self._service(code, answer))
                for code, answer in answers.items()
            )
        return [
            Finding(self._probe(code), f.ok, f.detail, f.restarts) for code, f in _of(codes, found)
        ]

    def _service(self, code: str, result: StepResult) -> Seen:
        asset = self._planner.inventory.assets[code]
        if result.exit_status is None:
            return Seen(None, result.detail)
        seen = (container_state if asset.container else unit_state)(result.output)
        if seen.ok is None and result.outcome is not Outcome.DONE:
            return Seen(None, result.detail)
        return seen

    async def _disk(self, check: Check, seconds: float) -> Seen:
        answers = await self._run("disk_status", [check.asset], seconds)
        (answer,) = answers.values()
        if isinstance(answer, Seen):
            return answer
        if answer.exit_status is None:
            return Seen(None, answer.detail)
        # df ends with 1 for one broken mount and has told the others all the same.
        seen = disk_use(answer.output, check.below_percent)
        if seen.ok is None and answer.outcome is not Outcome.DONE:
            return Seen(None, answer.detail)
        return seen

    async def _run(
        self, action: str, codes: Sequence[str], seconds: float
    ) -> Mapping[str, StepResult | Seen]:
        """The answer of each asset's step, or why there is none."""
        try:
            plan = self._planner.plan(action, codes, {})
        except GiveUp as refusal:
            return dict.fromkeys(codes, Seen(None, refusal.text))
        if plan.risk != "LOW":
            # A team's own table says that this needs asking: then nothing looks by itself.
            return dict.fromkeys(codes, Seen(None, text("probe_not_low", action=action)))
        try:
            async with asyncio.timeout(seconds):
                result = await self._runner.run(plan, _nothing_inside)
        except TimeoutError:
            late = text("probe_late", seconds=f"{seconds:g}")
            return dict.fromkeys(codes, Seen(None, late))
        return _by_asset(codes, result)

    def _probe(self, code: str) -> str:
        asset = self._planner.inventory.assets.get(code)
        return service_probe(asset) if asset is not None else code


def service_probe(asset: Asset) -> str:
    """The name of the look at an asset's own unit or container: the same in every language."""
    return f"{asset.code} ({asset.container or asset.service})"


def _of(codes: Iterable[str], found: Mapping[str, Seen]) -> list[tuple[str, Seen]]:
    return [(code, found[code]) for code in codes]


def _by_asset(codes: Sequence[str], result: RunResult) -> dict[str, StepResult | Seen]:
    answers: dict[str, StepResult | Seen] = {step.step.asset: step for step in result.steps}
    return {code: answers.get(code, Seen(None, text("probe_unreadable"))) for code in codes}


async def _nothing_inside(step: Step) -> StepResult:
    raise ValueError(f"a look has no step inside Watchstander: {step}")
