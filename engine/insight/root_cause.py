"""Why an incident may have happened: ranked causes, each with its evidence, each line with a link.

Pure counting over engine/insight/facts.py by the table of engine/insight/scores.py.  A score says
how much points at a cause, not how likely it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.actions.names import action_name
from engine.insight.facts import AT_ONCE_MS, DAY, HOUR, MINUTE, Change, Facts, Past, gather
from engine.insight.scores import MOST, SCORES
from engine.inventory import Asset, Inventory
from prompts.texts import Text, say, text
from storage.database import Transaction
from storage.incidents import Incident
from storage.lifecycle import State

_BELOW = {"WEB": ("WAS", "DB"), "WAS": ("DB",), "DB": ()}
#: Classes that explain others on the same host, or one layer above.
_HOST_CLASSES = frozenset({"DISK_FULL", "OOM"})
_LAYER_CLASSES = frozenset({"DB_UNREACHABLE", "TIMEOUT"})
_WIDESPREAD = 3
_RECENT_MS = 7 * DAY
_SHOWN_CAUSES = 5
_SHOWN_LINES = 4
_SHOWN_SOLVED = 3


@dataclass(frozen=True)
class Evidence:
    """One line, and what it speaks of: "incident:KEY", "action:ID", "article:KEY" or ""."""

    text: Text
    link: str = ""


@dataclass(frozen=True)
class Cause:
    """A possible cause. ``score`` is from 0 to 95."""

    kind: str
    score: int
    title: Text
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True)
class Analysis:
    """Causes, the strongest first, and what ended incidents like this one."""

    incident: Incident
    causes: tuple[Cause, ...]
    solved: tuple[Evidence, ...]

    def to_json(self, language: str) -> dict[str, Any]:
        """For programs, with the words in a language."""
        return {
            "incident": self.incident.key,
            "causes": [
                {
                    "kind": cause.kind,
                    "score": cause.score,
                    "title": say(cause.title, language),
                    "evidence": [_json(line, language) for line in cause.evidence],
                }
                for cause in self.causes
            ],
            "solved_before": [_json(line, language) for line in self.solved],
        }


async def root_cause(tx: Transaction, inventory: Inventory, incident: Incident) -> Analysis:
    """What rows say about the cause of an incident. Writes nothing."""
    return analyse(await gather(tx, inventory, incident), inventory)


def analyse(facts: Facts, inventory: Inventory) -> Analysis:
    """Weigh the facts."""
    causes = [
        *_changes(facts, inventory),
        *_thaws(facts),
        *_elsewhere(facts, inventory),
        *_widespread(facts),
        *_probes(facts),
        *_recurring(facts),
        *_known(facts),
    ]
    ranked = sorted(causes, key=lambda cause: -cause.score)[:_SHOWN_CAUSES]
    return Analysis(facts.incident, tuple(ranked), _solved(facts))


def _cause(kind: str, score: int, title: Text, evidence: list[Evidence]) -> Cause:
    further = SCORES["further"] * min(3, len(evidence) - 1)
    return Cause(kind, min(MOST, score + further), title, tuple(evidence[:_SHOWN_LINES]))


def _changes(facts: Facts, inventory: Inventory) -> Iterator[Cause]:
    for change in facts.changes:
        action = change.action
        assert facts.asset is not None and action.started_at is not None
        score = _where(change, facts.asset, inventory)
        score += _when(facts.began_at - action.started_at)
        if action.state in (State.FAILED, State.UNKNOWN):
            score += SCORES["change_failed"]
        line = text(
            "cause_change_line",
            id=action.id,
            name=action_name(action.type),
            targets=", ".join(change.places[:3]) + ("…" if len(change.places) > 3 else ""),
            by=change.by,
            at=action.started_at,
            state=text(f"state_{action.state.value}"),
        )
        minutes = (facts.began_at - action.started_at) // MINUTE
        title = text("cause_change", id=action.id, minutes=minutes)
        yield _cause("change", score, title, [Evidence(line, f"action:{action.id}")])


def _where(change: Change, asset: Asset, inventory: Inventory) -> int:
    if asset.code in change.places:
        return SCORES["change_asset"]
    hosts = {inventory.assets[code].host for code in change.places}
    return SCORES["change_host"] if asset.host in hosts else SCORES["change_system"]


def _when(before_ms: int) -> int:
    for key, limit in (
        ("change_15_minutes", 15 * MINUTE),
        ("change_1_hour", HOUR),
        ("change_6_hours", 6 * HOUR),
    ):
        if before_ms <= limit:
            return SCORES[key]
    return 0


def _thaws(facts: Facts) -> Iterator[Cause]:
    for thaw in facts.thaws[:1]:
        recent = facts.began_at - thaw.at <= HOUR
        line = text("cause_thaw_line", by=thaw.by, at=thaw.at)
        score = SCORES["thaw_1_hour" if recent else "thaw_1_day"]
        yield _cause("thaw", score, text("cause_thaw"), [Evidence(line)])


def _elsewhere(facts: Facts, inventory: Inventory) -> Iterator[Cause]:
    """Trouble that was there when it broke, a cause for each place."""
    if facts.asset is None:
        return
    places: dict[str, list[Incident]] = {}
    for other in facts.others:
        if other.asset in inventory.assets:
            places.setdefault(str(other.asset), []).append(other)
    for code, others in places.items():
        there = inventory.assets[code]
        kind = _relation(facts.asset, there)
        if kind:
            score = max(_weight(kind, facts, other) for other in others)
            said = "same" if there == facts.asset else kind
            title = text(f"cause_{said}", asset=code, layer=there.layer, host=there.host)
            yield _cause(kind, score, title, [_incident_line(other) for other in others])


def _relation(here: Asset, there: Asset) -> str:
    """ "below", "host", "peer", or "" for a place that has nothing to do with this one."""
    related = (here.system, here.environment) == (there.system, there.environment)
    if related and there.layer in _BELOW[here.layer]:
        return "below"
    if here.host == there.host:
        return "host"
    return "peer" if related and here.layer == there.layer else ""


def _weight(kind: str, facts: Facts, other: Incident) -> int:
    score = SCORES[kind]
    if other.created_at < facts.began_at:
        score += SCORES["earlier"]
    by_host = kind == "host" and other.kind in _HOST_CLASSES
    by_layer = kind == "below" and facts.incident.kind in _LAYER_CLASSES
    return score + (SCORES["explains"] if by_host or by_layer else 0)


def _widespread(facts: Facts) -> Iterator[Cause]:
    """The same class at several places at once: something that they share."""
    if facts.incident.kind == "UNKNOWN":
        return
    mine = facts.incident.asset
    same = [
        other
        for other in facts.others
        if other.kind == facts.incident.kind
        and other.asset != mine
        and abs(other.created_at - facts.began_at) <= AT_ONCE_MS
    ]
    places = {other.asset or other.source for other in same}
    if len(places) + 1 >= _WIDESPREAD:
        title = text("cause_widespread", kind=facts.incident.kind, count=len(places) + 1)
        lines = [_incident_line(other) for other in same]
        yield _cause("widespread", SCORES["widespread"], title, lines)


def _probes(facts: Facts) -> Iterator[Cause]:
    """What was found broken when the incident was looked at."""
    mine = facts.incident.asset
    elsewhere = [p for p in facts.probes if not mine or not p.name.startswith(f"{mine} (")]
    for kind, found in (
        ("probe_elsewhere", elsewhere),
        ("probe_itself", [p for p in facts.probes if p not in elsewhere]),
    ):
        if found:
            lines = [
                Evidence(
                    text("cause_probe_line", probe=probe.name, at=probe.attempt.started_at),
                    f"incident:{facts.incident.key}",
                )
                for probe in found
            ]
            yield _cause(kind, SCORES[kind], text(f"cause_{kind}"), lines)


def _recurring(facts: Facts) -> Iterator[Cause]:
    """It keeps coming back: what was done about it so far did not last."""
    since = facts.began_at - _RECENT_MS
    again = [
        past
        for past in facts.past
        if past.likeness == "symptom" and past.incident.created_at >= since
    ]
    times = len(again) + facts.incident.flaps
    if times >= 2:
        lines = [_past_line(past) for past in again]
        here = text("cause_flaps_line", flaps=facts.incident.flaps, since=facts.incident.created_at)
        if facts.incident.flaps:
            lines.insert(0, Evidence(here, f"incident:{facts.incident.key}"))
        title = text("cause_recurring", count=times + 1)
        yield _cause("recurring", SCORES["recurring"], title, lines)


def _known(facts: Facts) -> Iterator[Cause]:
    lines = [_past_line(past) for past in facts.past]
    lines += [
        Evidence(text("cause_article_line", key=a.key, title=a.title), f"article:{a.key}")
        for a in facts.articles
    ]
    if lines:
        yield _cause("known", SCORES["known"], text("cause_known"), lines)


def _incident_line(other: Incident) -> Evidence:
    line = text(
        "cause_incident_line",
        key=other.key,
        severity=other.severity,
        kind=other.kind,
        asset=other.asset or other.source,
        at=other.created_at,
        summary=_short(other.summary),
    )
    return Evidence(line, f"incident:{other.key}")


def _past_line(past: Past) -> Evidence:
    line = text(
        "cause_past_line",
        key=past.incident.key,
        at=past.incident.created_at,
        likeness=text(f"cause_likeness_{past.likeness}"),
        summary=_short(past.incident.summary),
    )
    return Evidence(line, f"incident:{past.incident.key}")


def _solved(facts: Facts) -> tuple[Evidence, ...]:
    found = []
    for past in facts.past:
        link = f"incident:{past.incident.key}"
        if past.repair is not None:
            action = past.repair.action_id or 0
            line = text(
                "solved_by_repair",
                key=past.incident.key,
                playbook=past.repair.playbook,
                action=action,
                at=past.repair.finished_at,
            )
            found.append(Evidence(line, f"action:{action}" if action else link))
        if past.comment:
            words = _short(past.comment, 300)
            line = text("solved_by_person", key=past.incident.key, by=past.by, comment=words)
            found.append(Evidence(line, link))
    return tuple(found[:_SHOWN_SOLVED])


def _short(words: str, limit: int = 120) -> str:
    words = " ".join(words.split())
    return words if len(words) <= limit else words[: limit - 1] + "…"


def _json(line: Evidence, language: str) -> dict[str, str]:
    return {"text": say(line.text, language), "link": line.link}
