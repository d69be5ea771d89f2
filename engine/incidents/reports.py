"""The one way in for incidents: a report that something fires, or that it is over, is taken.

Reports of the same thing by the same source are one incident with a count. What is reported is
data: it chooses a class and a symptom, never a target, a command or a risk. The asset is found by
whole words of the inventory alone, see engine/incidents/naming.py.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.incidents.classify import classify
from engine.incidents.naming import asset_of
from engine.incidents.symptom import symptom_hash
from engine.inventory import Inventory
from storage import attempts, cards, incident_locks, incidents, rooms
from storage.database import Transaction
from storage.incidents import Incident
from storage.lifecycle import IncidentMove, IncidentState
from storage.redaction import hidden

SEVERITIES = ("P1", "P2", "P3")
"""The worst first, so that the lesser text is the worse severity."""

_WORDS = {
    "P1": ("critical", "page", "fatal", "emergency", "disaster"),
    "P2": ("error", "high", "major", "warning", "average"),
    "P3": ("info", "information", "low", "minor", "none"),
}
_SEVERITY = {word: level for level, words in _WORDS.items() for word in (level.lower(), *words)}
_DEFAULT_SEVERITY = "P2"

OWN_SOURCES = ("alertmanager", "check", "messenger", "watchstander")
"""Names of doors that speak for themselves: no report by REST may use one, alone or before ":"."""

SUMMARY_LIMIT = 2_000
DETAIL_LIMIT = 20_000
SOURCE_LIMIT = 200
LABELS_LIMIT = 64
LABEL_NAME_LIMIT = 200
LABEL_VALUE_LIMIT = 1_000

_MINUTE_MS = 60_000
_CUT = "\n…\n"
_LINE_END = re.compile(r"\r\n?|[\u2028\u2029\x85]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,500}(?:\x07|\x1b\\)|[@-Z\\-_])")


@dataclass(frozen=True)
class ReportSettings:
    """How reports become incidents."""

    flap_minutes: int = 30
    """Minutes after it was over in which the same report reopens an incident; later it is new."""

    def __post_init__(self) -> None:
        if self.flap_minutes < 0:
            raise ValueError(
                f"flap_minutes: {self.flap_minutes} is too small; give 0 or more minutes"
            )

    @property
    def flap_ms(self) -> int:
        return self.flap_minutes * _MINUTE_MS


DEFAULT = ReportSettings()


@dataclass(frozen=True)
class Report:
    """What somebody reported, as it came: ``take`` cleans and cuts every text."""

    source: str
    """Who: "alertmanager", "check:NAME", "guard:TASK", "rest:PERSON" …"""
    severity: str
    """P1 to P3, or a word such as "critical"; what is not known counts as P2."""
    summary: str
    """What, in one line."""
    fingerprint: str = ""
    """The same for each report of the same thing; "" = made of source, asset and symptom."""
    firing: bool = True
    """False: it is over."""
    detail: str = ""
    """Log lines, the tail of stderr."""
    labels: Mapping[str, str] = field(default_factory=dict)
    asset: str | None = None
    """As the reporter names it: a code of the inventory, a host, a unit; None = by the labels."""


@dataclass(frozen=True)
class Taken:
    """What became of a report."""

    incident: Incident | None
    """None: it is over, but nobody ever told us that it began."""
    new: bool
    """This report opened it."""


def severity_of(word: str) -> str | None:
    """P1, P2 or P3 for a word that monitoring uses, in any case; None = not known."""
    return _SEVERITY.get(word.strip().lower())


def own_source(source: str) -> bool:
    """Whether a source's name belongs to a door of Watchstander's own."""
    return source.strip().lower().partition(":")[0].strip() in OWN_SOURCES


async def take(
    tx: Transaction,
    inventory: Inventory,
    actor: str,
    report: Report,
    settings: ReportSettings = DEFAULT,
) -> Taken:
    """Count a report, in the caller's transaction. Never raises for content.

    It opens, counts, reopens (within ``flap_minutes`` after it was over) or resolves an incident.
    ``actor`` is whom the audit names.
    """
    return (await take_all(tx, inventory, actor, [report], settings))[0]


async def take_all(
    tx: Transaction,
    inventory: Inventory,
    actor: str,
    reports: Sequence[Report],
    settings: ReportSettings = DEFAULT,
) -> list[Taken]:
    """``take`` for several reports in one transaction, in order."""
    cleaned = [_clean(report, inventory) for report in reports]
    await incident_locks.hold(tx, [(one.source, one.fingerprint) for one in cleaned])
    return [await _take(tx, actor, one, settings) for one in cleaned]


@dataclass(frozen=True)
class _Clean:
    source: str
    fingerprint: str
    firing: bool
    severity: str
    summary: str
    detail: str
    labels: dict[str, str]
    asset: str | None
    kind: str
    symptom: str


async def _take(tx: Transaction, actor: str, report: _Clean, settings: ReportSettings) -> Taken:
    last = await incidents.newest(tx, report.source, report.fingerprint)
    if not report.firing:
        return Taken(await _over(tx, actor, last), False)
    if last is None:
        return Taken(await _open(tx, actor, report), True)
    if last.state is IncidentState.RESOLVED:
        if tx.now - (last.resolved_at or 0) > settings.flap_ms:
            return Taken(await _open(tx, actor, report), True)
        await incidents.move(tx, last.id, IncidentMove.REOPEN, actor)
        back = True
    else:
        back = last.cleared_at is not None
    worst = min(last.severity, report.severity)
    await incidents.seen(tx, last.id, firing=True, back=back, severity=worst)
    if last.state is IncidentState.ESCALATED and worst != last.severity:
        # Whoever was called was called for less: the healer tells it again.
        await incidents.look_again(tx, last.id, tx.now)
    return Taken(await incidents.must(tx, last.id), False)


async def _open(tx: Transaction, actor: str, report: _Clean) -> Incident:
    made = await incidents.create(
        tx,
        source=report.source,
        severity=report.severity,
        summary=report.summary,
        asset=report.asset,
        actor=actor,
        detail=report.detail,
        kind=report.kind,
        symptom=report.symptom,
        fingerprint=report.fingerprint,
        labels=report.labels,
    )
    for room in await rooms.with_cards(tx):
        await cards.place(tx, made.subject, room.id)
    return made


async def _over(tx: Transaction, actor: str, last: Incident | None) -> Incident | None:
    """The source says that it is over. What is being repaired is the healer's to decide."""
    if last is None or (last.state is IncidentState.RESOLVED and last.cleared_at is not None):
        return last
    # Of what a person closed, too: a repair may be under way still, and waits for this word.
    await incidents.seen(tx, last.id, firing=False, back=False, severity=last.severity)
    under_way = await attempts.under_way_of(tx, last.id)
    if last.state is not IncidentState.HEALING and under_way is None:
        told = {"why": "cleared"}
        await incidents.move(tx, last.id, IncidentMove.RESOLVE, actor, detail=told)
    return await incidents.must(tx, last.id)


def _clean(report: Report, inventory: Inventory) -> _Clean:
    source = _one_line(report.source, SOURCE_LIMIT) or "unknown"
    detail = _lines(report.detail)
    summary = _one_line(report.summary, SUMMARY_LIMIT)
    summary = summary or _one_line(detail.partition("\n")[0], SUMMARY_LIMIT) or source
    labels = _labels(report.labels)
    named = _one_line(report.asset or "", SOURCE_LIMIT)
    asset = asset_of(inventory, named, _whole(labels, report.labels)) or named or None
    kind = classify(f"{summary}\n{detail}")
    # The summary alone: a tail of log lines differs each time that the same thing goes wrong.
    symptom = symptom_hash(kind, asset or "", summary)
    fingerprint = _one_line(report.fingerprint, SOURCE_LIMIT)
    return _Clean(
        source=source,
        fingerprint=fingerprint or _made(source, asset or "", symptom),
        firing=report.firing,
        severity=severity_of(report.severity) or _DEFAULT_SEVERITY,
        summary=summary,
        detail=detail,
        labels=labels,
        asset=asset,
        kind=kind,
        symptom=symptom,
    )


def _made(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16]


def _labels(labels: Mapping[str, str]) -> dict[str, str]:
    """The first labels by name, so that the same set is kept whatever order it comes in."""
    kept = sorted(labels.items())[:LABELS_LIMIT]
    return {
        _one_line(name, LABEL_NAME_LIMIT): _one_line(value, LABEL_VALUE_LIMIT)
        for name, value in kept
    }


def _whole(cleaned: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, str]:
    """The labels of which nothing was cleaned away: what is left of a value names nothing."""
    came = {value.strip() for value in labels.values() if len(value) <= LABEL_VALUE_LIMIT}
    return {name: value for name, value in cleaned.items() if value in came}


def _one_line(raw: str, limit: int) -> str:
    # Far more than what is kept is never looked at: a summary of megabytes costs no time.
    found = " ".join(_plain(raw[: limit * 4]).split())
    return found if len(found) <= limit else found[: limit - 1] + "…"


def _lines(raw: str) -> str:
    """Text of several lines; of a long one its head and its tail, which mostly says why."""
    return _middle_cut(_plain(_middle_cut(raw, 4 * DETAIL_LIMIT)).strip(), DETAIL_LIMIT)


def _middle_cut(raw: str, limit: int) -> str:
    if len(raw) <= limit:
        return raw
    half = (limit - len(_CUT)) // 2
    return raw[:half] + _CUT + raw[-half:]


def _plain(raw: str) -> str:
    """Without colours of terminals, control characters and what has the form of a secret; every
    kind of line end as one."""
    text = _CONTROL.sub("", _LINE_END.sub("\n", _TERMINAL.sub("", raw)))
    # Half a surrogate pair can be stored nowhere; what it stood for is lost, but not that it was.
    return hidden(_SURROGATE.sub("\ufffd", text))
