"""The order of a run, whatever fails when. Hosts are the one thing made up here."""

from __future__ import annotations

import asyncio
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.execution.outcome import Outcome, RunResult, StepResult, skipped, without_output
from engine.execution.waves import Course, Lane
from engine.plan import Plan, Step
from prompts.texts import text

GOOD, BAD, LOST = Outcome.DONE, Outcome.FAILED, Outcome.UNKNOWN


def plan_of(*hosts: str, rolling: int = 0) -> Plan:
    steps = tuple(Step(f"A{n}", host, f"ops@{host}:22", ("x",)) for n, host in enumerate(hosts))
    return Plan("server_restart", hosts, {}, steps, "HIGH", rolling=rolling)


class Hosts:
    """Far hosts: which were touched, in which order, and how each step ends."""

    def __init__(self, ends: dict[int, Outcome] | None = None, seed: int = 0) -> None:
        self.ends = ends or {}
        self.touched: list[str] = []
        self.events: list[tuple[str, str]] = []
        self.dice = random.Random(seed)
        self.numbers: dict[Step, int] = {}

    async def run(self, plan: Plan, watch: Watching | None = None, broken: str = "") -> RunResult:
        """``broken``: the host at which the runner itself has a bug."""
        self.numbers = {step: number for number, step in enumerate(plan.steps)}
        return await Course(plan, watch).run(
            lambda lane: self._bug if lane.host == broken else self._work
        )

    async def _bug(self, lane: Lane) -> None:
        assert lane.begin()
        raise RuntimeError("a bug")

    async def _work(self, lane: Lane) -> None:
        """As the runner does it: a failed step ends its asset, an unknown one its host."""
        failed = ""
        for step in lane.steps:
            for _ in range(self.dice.randrange(4)):
                await asyncio.sleep(0)
            if step.asset == failed:
                lane.record(skipped(step))
                continue
            if not lane.begin():
                return
            self.touched.append(step.host)
            self.events.append(("sent", step.host))
            for _ in range(self.dice.randrange(4)):
                await asyncio.sleep(0)
            outcome = self.ends.get(self.numbers[step], GOOD)
            lane.record(without_output(step, outcome, text("plan_run_done")))
            self.events.append((outcome.value, step.host))
            failed = step.asset if outcome is BAD else ""
            if outcome is LOST:
                return


class Watching:
    """Says no from its n-th question on, and yes again later: a no is for good."""

    def __init__(self, yeses: int = 10**9, *, sulks: int = 10**9) -> None:
        self.yeses, self.until = yeses, yeses + sulks
        self.asked = 0
        self.events: list[tuple[str, int]] = []

    def may_send(self) -> bool:
        self.asked += 1
        return not self.yeses < self.asked <= self.until

    def begun(self, number: int) -> None:
        self.events.append(("begun", number))

    def ended(self, number: int, result: StepResult) -> None:
        self.events.append((result.outcome.value, number))


def outcomes(result: RunResult) -> list[Outcome]:
    return [step.outcome for step in result.steps]


def test_one_host_first_then_wave_after_wave() -> None:
    plan = plan_of(*"abcdefg", "a", rolling=3)
    assert plan.waves == (("a",), ("b", "c", "d"), ("e", "f", "g"))
    assert plan_of(*"abc").waves == (("a", "b", "c"),)


async def test_the_first_host_is_alone_and_later_waves_wait_for_it() -> None:
    hosts = Hosts(seed=1)
    result = await hosts.run(plan_of(*"abcde", rolling=2))
    assert outcomes(result) == [GOOD] * 5
    assert hosts.events[:2] == [("sent", "a"), ("DONE", "a")]
    first_of_third = next(n for n, event in enumerate(hosts.events) if event[1] in "de")
    assert {event[1] for event in hosts.events[:first_of_third]} == {"a", "b", "c"}


async def test_the_reason_names_the_host_that_ended_the_run() -> None:
    result = await Hosts({0: LOST}).run(plan_of(*"abc", rolling=5))
    assert outcomes(result) == [LOST, Outcome.SKIPPED, Outcome.SKIPPED]
    assert [step.detail.key for step in result.steps[1:]] == ["progress_wave_ended"] * 2
    assert result.steps[1].detail.values == {"host": "a"}


async def test_without_waves_a_failure_stops_no_other_host() -> None:
    hosts = Hosts({0: BAD})
    assert outcomes(await hosts.run(plan_of(*"abc"))) == [BAD, GOOD, GOOD]


async def test_a_host_with_two_assets_is_one_host_and_ends_with_its_first_failure() -> None:
    hosts = Hosts({0: BAD})
    assert outcomes(await hosts.run(plan_of("a", "b", "a", rolling=1))) == [
        BAD,
        Outcome.SKIPPED,
        Outcome.SKIPPED,
    ]
    assert hosts.touched == ["a"]


async def test_a_no_is_for_good_and_is_told_of_every_step() -> None:
    watch = Watching(yeses=2, sulks=1)  # asked once for a lane and once for its step
    result = await Hosts().run(plan_of("a", "a", "a"), watch)
    assert outcomes(result) == [GOOD, Outcome.SKIPPED, Outcome.SKIPPED]
    assert {step.detail.key for step in result.steps[1:]} == {"progress_withheld"}
    assert watch.events == [("begun", 0), ("DONE", 0), ("SKIPPED", 1), ("SKIPPED", 2)]


async def test_a_bug_on_one_host_leaves_the_others_alone() -> None:
    result = await Hosts().run(plan_of("a", "b", "a"), broken="a")
    assert outcomes(result) == [LOST, GOOD, Outcome.SKIPPED]
    result = await Hosts().run(plan_of("a", "b", rolling=1), broken="a")
    assert outcomes(result) == [LOST, Outcome.SKIPPED]


steps = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=20)
ends = st.dictionaries(st.integers(0, 19), st.sampled_from([BAD, LOST]))


@settings(deadline=None)
@given(steps, ends, st.integers(1, 4), st.integers(0, 40), st.integers())
async def test_whatever_fails_when_no_later_wave_is_touched(
    words: list[str], ends: dict[int, Outcome], wave: int, yeses: int, seed: int
) -> None:
    plan = plan_of(*words, rolling=wave)
    hosts, watch = Hosts(ends, seed), Watching(yeses)
    result = await hosts.run(plan, watch)
    place = {host: n for n, hosts_ in enumerate(plan.waves) for host in hosts_}
    bad: list[str] = []
    begun: set[str] = set()
    for what, host in hosts.events:
        if what == "sent":
            assert all(place[host] <= place[failed] for failed in bad), "a later wave"
            assert not bad or host in begun, "a host of the same wave that was not begun"
            assert host not in bad
            begun.add(host)
        elif what in (BAD.value, LOST.value):
            bad.append(host)
    assert len(result.steps) == len(plan.steps)
    assert [step.step for step in result.steps] == list(plan.steps)
    told = [number for what, number in watch.events if what != "begun"]
    assert sorted(told) == list(range(len(plan.steps))), "each step is told of once"
    sent = [number for what, number in watch.events if what == "begun"]
    assert [plan.steps[number].host for number in sent] == hosts.touched
    assert all(r.outcome is not Outcome.SKIPPED for n, r in enumerate(result.steps) if n in sent)


@settings(deadline=None)
@given(steps, st.integers(0, 40), st.integers())
async def test_after_a_no_nothing_is_sent_anywhere(words: list[str], yeses: int, seed: int) -> None:
    hosts, watch = Hosts(seed=seed), Watching(yeses)
    result = await hosts.run(plan_of(*words), watch)
    assert len(hosts.touched) <= yeses
    assert outcomes(result).count(GOOD) == len(hosts.touched)
