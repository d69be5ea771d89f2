"""The facts that a root cause is made of. All of them are rows; nothing here is guessed."""

from __future__ import annotations

from dataclasses import dataclass

from rapidfuzz import fuzz

from engine.incidents.symptom import constant
from engine.inventory import Asset, Inventory
from storage import actions, articles, attempts, freezes, incidents, people
from storage.actions import Action
from storage.articles import Article
from storage.attempts import Attempt
from storage.database import Transaction
from storage.freezes import Thaw
from storage.incidents import Incident, IncidentEvent
from storage.lifecycle import ArticleState, AttemptState, IncidentState

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

CHANGES_MS = DAY
"""How far back a change may have caused it."""
AT_ONCE_MS = 15 * MINUTE
"""What began or ended this near to it happened at the same time."""
PAST_MS = 90 * DAY
"""How far back earlier incidents count."""
ALIKE = 85.0
"""Likeness from 0 to 100 from which two texts tell of the same kind of thing."""

_READ_CHANGES = 500
_READ_OTHERS = 300
_READ_PAST = 200
_SHOWN_PAST = 5
_READ_TEXT = 500
#: Above LOW for what it may show, but it only looks.
_LOOKS = frozenset({"log_collect"})


@dataclass(frozen=True)
class Change:
    """An action of ours that had begun to run before it broke."""

    action: Action
    by: str
    places: tuple[str, ...]
    """Those of its targets that stand in the same system or on the same host."""


@dataclass(frozen=True)
class Past:
    """An earlier incident like this one, and what ended it."""

    incident: Incident
    likeness: str
    """"symptom", "place" (the same class on the same asset) or "text"."""
    repair: Attempt | None
    """The attempt that ended it."""
    comment: str
    """What a person wrote about it: with the end, else last."""
    by: str


@dataclass(frozen=True)
class Probe:
    """A probe that failed when the incident was looked at."""

    name: str
    attempt: Attempt


@dataclass(frozen=True)
class Facts:
    """Everything that is known. Lists are newest first."""

    incident: Incident
    began_at: int
    """When it was opened, or opened again."""
    asset: Asset | None
    changes: tuple[Change, ...]
    thaws: tuple[Thaw, ...]
    others: tuple[Incident, ...]
    """Incidents that were open while this one began."""
    past: tuple[Past, ...]
    probes: tuple[Probe, ...]
    articles: tuple[Article, ...]
    """Published articles about this symptom, anti-patterns among them."""


async def gather(tx: Transaction, inventory: Inventory, incident: Incident) -> Facts:
    """Read everything that may have to do with an incident."""
    timeline = await incidents.timeline(tx, incident.id)
    began = _began(incident, timeline)
    asset = inventory.assets.get(incident.asset or "")
    tried = await attempts.of_incident(tx, incident.id)
    return Facts(
        incident,
        began,
        asset,
        await _changes(tx, inventory, asset, began, tried),
        tuple(await freezes.ended_between(tx, began - CHANGES_MS, began)),
        await _others(tx, incident, began),
        await _past(tx, incident),
        _probes(tried),
        tuple(await articles.about(tx, incident.symptom, ArticleState.PUBLISHED)),
    )


def near(inventory: Inventory, asset: Asset) -> frozenset[str]:
    """Codes of the assets of the same system and environment, and of the same host."""
    return frozenset(
        other.code
        for other in inventory.assets.values()
        if other.host == asset.host
        or (other.system, other.environment) == (asset.system, asset.environment)
    )


def _began(incident: Incident, timeline: list[IncidentEvent]) -> int:
    opened = [event.at for event in timeline if event.kind == "reopen"]
    return max(opened, default=incident.created_at)


async def _changes(
    tx: Transaction,
    inventory: Inventory,
    asset: Asset | None,
    began: int,
    tried: list[Attempt],
) -> tuple[Change, ...]:
    """Ours that ran near the asset before it broke; its own repair is none of them."""
    if asset is None:
        return ()
    places = near(inventory, asset)
    own = {
        number
        for attempt in tried
        if attempt.started_at >= began
        for number in (attempt.action_id, attempt.undo_id)
    }
    found = []
    for action in await actions.begun_between(tx, began - CHANGES_MS, began, _READ_CHANGES):
        touched = tuple(target for target in action.targets if target in places)
        if touched and action.id not in own and action.type not in _LOOKS:
            by = await people.name_of(tx, action.requester_id)
            found.append(Change(action, by, touched))
    return tuple(found)


async def _others(tx: Transaction, incident: Incident, began: int) -> tuple[Incident, ...]:
    around = await incidents.listing(
        tx, _READ_OTHERS, since=began - CHANGES_MS, until=began + AT_ONCE_MS
    )
    return tuple(
        other
        for other in around
        if other.id != incident.id
        and (other.resolved_at is None or other.resolved_at >= began - AT_ONCE_MS)
    )


async def _past(tx: Transaction, incident: Incident) -> tuple[Past, ...]:
    """The most like first: the same symptom, the same class at the same place, a similar text."""
    since, before = incident.created_at - PAST_MS, incident.id
    found: dict[int, tuple[str, Incident]] = {}
    if incident.symptom:
        same = await incidents.listing(
            tx, _READ_PAST, symptom=incident.symptom, since=since, before=before
        )
        found |= {one.id: ("symptom", one) for one in same}
    words = constant(incident.summary[:_READ_TEXT])
    for one in await incidents.listing(
        tx, _READ_PAST, kind=incident.kind, since=since, before=before
    ):
        if one.id not in found and (likeness := _likeness(incident, words, one)):
            found[one.id] = (likeness, one)
    order = ("symptom", "place", "text")
    ranked = sorted(found.values(), key=lambda pair: (order.index(pair[0]), -pair[1].id))
    return tuple([await _past_one(tx, one, likeness) for likeness, one in ranked[:_SHOWN_PAST]])


def _likeness(incident: Incident, words: str, other: Incident) -> str:
    known = incident.kind != "UNKNOWN"
    if known and incident.asset is not None and other.asset == incident.asset:
        return "place"
    alike = fuzz.token_sort_ratio(words, constant(other.summary[:_READ_TEXT]))
    return "text" if words and alike >= ALIKE else ""


async def _past_one(tx: Transaction, incident: Incident, likeness: str) -> Past:
    repair, comment, by = None, "", ""
    if incident.state is IncidentState.RESOLVED:
        tried = await attempts.of_incident(tx, incident.id)
        good = [attempt for attempt in tried if attempt.state is AttemptState.SUCCEEDED]
        repair = good[-1] if good else None
    for event in await incidents.timeline(tx, incident.id):
        if event.kind in ("resolve", "comment") and event.who and event.detail.get("comment"):
            comment, by = str(event.detail["comment"]), event.who
    return Past(incident, likeness, repair, comment, by)


def _probes(tried: list[Attempt]) -> tuple[Probe, ...]:
    """Each probe that found something wrong, from the last look at it."""
    found: dict[str, Probe] = {}
    for attempt in tried:
        for finding in attempt.findings.get("before", ()):
            if finding.get("ok") is False:
                found[str(finding["probe"])] = Probe(str(finding["probe"]), attempt)
    return tuple(reversed(found.values()))
