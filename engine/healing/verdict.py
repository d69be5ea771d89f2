"""Did it help? What probes found, and what the source of the incident says, as one answer.

The exit status of a command is no part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from engine.healing.probes import Finding
from prompts.texts import Text, text
from storage.incidents import Incident
from storage.lifecycle import IncidentState


class Health(Enum):
    """How the symptom stands."""

    WELL = "well"  #: gone, as far as anybody can tell
    SICK = "sick"  #: still there
    UNSURE = "unsure"  #: cannot be told yet: look again, and at the end call it a failure


@dataclass(frozen=True)
class Verdict:
    """The answer, and the sentence for it."""

    health: Health
    why: Text


def right_after(findings: Sequence[Finding]) -> Verdict:
    """Right after the action: what a probe finds broken is broken; the rest is for later."""
    broken = next((found for found in findings if found.ok is False), None)
    if broken is not None:
        return Verdict(Health.SICK, _still(broken))
    return Verdict(Health.WELL, text("heal_probe_well", count=len(findings)))


def settled(
    incident: Incident,
    since: int,
    after: Sequence[Finding],
    now: Sequence[Finding],
) -> Verdict:
    """After the stability window. ``since``: when the action had run (milliseconds)."""
    broken = next((found for found in now if found.ok is False), None)
    if broken is not None:
        return Verdict(Health.SICK, _still(broken))
    again = _restarted(after, now)
    if again is not None:
        return Verdict(Health.SICK, text("heal_restarts_again", probe=again))
    if not tells_the_end(incident.source) and incident.last_seen_at > since:
        return Verdict(Health.SICK, text("heal_reported_again", at=incident.last_seen_at))
    dark = next((found for found in now if found.ok is None), None)
    if dark is not None:
        return Verdict(Health.UNSURE, text("heal_cannot_tell", probe=dark.probe, why=dark.detail))
    said = incident.cleared_at is not None or incident.state is IncidentState.RESOLVED
    if tells_the_end(incident.source) and not said:
        return Verdict(Health.UNSURE, text("heal_still_fires", source=incident.source))
    return Verdict(Health.WELL, text("heal_stayed_well", count=len(now)))


def tells_the_end(source: str) -> bool:
    """Whether a source says when it is over: only then is its silence a sign that it is not."""
    return source == "alertmanager" or source.startswith("check:")


def _restarted(after: Sequence[Finding], now: Sequence[Finding]) -> str | None:
    """A probe whose service has started itself again since: it runs, and will not stay."""
    before = {found.probe: found.restarts for found in after}
    for found in now:
        earlier = before.get(found.probe)
        if earlier is not None and found.restarts is not None and found.restarts > earlier:
            return found.probe
    return None


def _still(found: Finding) -> Text:
    return text("heal_still_there", probe=found.probe, why=found.detail)
