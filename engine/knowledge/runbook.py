"""What a repair leaves behind, in words: a runbook of nine sections, or an anti-pattern.

Every fact comes from a row.  A section begins with its heading as ``## …`` in the article's
language, so that later incidents can be added where they belong.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from engine.actions.names import action_name
from engine.healing.probes import Finding
from engine.redaction import redacted
from prompts.texts import Text, clock, say, text
from storage.actions import Action
from storage.attempts import Attempt
from storage.blocks import Block
from storage.incidents import Incident

SECTIONS = (
    "symptom",
    "cause",
    "steps",
    "verification",
    "cautions",
    "scope",
    "related",
    "prevention",
    "conditions",
)
"""The nine of requirements row G3, in their order."""

WORDED = ("cause", "prevention")
"""What no row tells: a model may propose words for these."""

_LOOKS = ("before", "after", "settled")
_TITLE = 120
_DETAIL = 1_500
_STEPS = 20
_RELATED = 20
_LIMIT = 4_000


@dataclass(frozen=True)
class Repair:
    """An attempt that has ended, and the rows beside it."""

    incident: Incident
    attempt: Attempt
    action: Action | None
    """What ran; None where nothing did."""
    decider: str
    """Who approved it; "" = nobody had to."""
    block: Block | None = None
    """What a failure keeps from being tried again."""


def runbook_title(repair: Repair, language: str) -> str:
    """One line: the symptom, and what was done."""
    return _title("kb_runbook_title", repair, language)


def anti_pattern_title(repair: Repair, language: str) -> str:
    """One line: what did not help, against what."""
    return _title("kb_anti_title", repair, language)


def runbook_body(repair: Repair, language: str, worded: Mapping[str, str]) -> str:
    """The nine sections. ``worded`` has a model's words for some of ``WORDED``."""
    said = _Speech(language)
    lines = {
        "symptom": _symptom(repair, said),
        "cause": _worded(worded, "cause", said)
        or [said("kb_cause_unknown", kind=repair.incident.kind)],
        "steps": _steps(repair, said),
        "verification": _findings(repair, said),
        "cautions": _cautions(repair, said),
        "scope": _scope(repair, said),
        "related": [related_line(repair.incident)],
        "prevention": _worded(worded, "prevention", said)
        or [said("kb_prevention_unknown", key=repair.incident.key)],
        "conditions": _conditions(repair, said),
    }
    return _sections({name: lines[name] for name in SECTIONS}, language)


def anti_pattern_body(repair: Repair, language: str) -> str:
    """What was tried against what, what was seen, and until when it is not tried again."""
    said = _Speech(language)
    failed = repair.attempt.reason
    lines = {
        "symptom": _symptom(repair, said),
        "tried": _steps(repair, said),
        "result": [
            *([redacted(say(Text.from_json(failed), language))] if failed else []),
            *_output(repair),
            *_findings(repair, said),
        ],
        "instead": _instead(repair, said),
        "related": [related_line(repair.incident)],
    }
    return _sections(lines, language)


def with_related(body: str, language: str, incident: Incident) -> str | None:
    """The body with one more related incident, the newest twenty of them.

    None: it stands there already, or somebody took the section out.
    """
    heading = _heading("related", language)
    head, found, rest = body.partition(heading + "\n")
    if not found or incident.key in rest:
        return None
    section, mark, tail = rest.partition("\n## ")
    kept = [line for line in section.splitlines() if line.strip()]
    lines = [*kept, related_line(incident)][-_RELATED:]
    return f"{head}{found}" + "\n".join(lines) + ("\n" + mark + tail if mark else "")


def related_line(incident: Incident) -> str:
    """One line of the related incidents."""
    asset = f" {incident.asset}" if incident.asset else ""
    return f"- {incident.key} ({clock(incident.created_at)}){asset}"


class _Speech:
    """Says messages in the article's language."""

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, key: str, /, **values: object) -> str:
        return say(Text(key, values), self.language)


def _title(key: str, repair: Repair, language: str) -> str:
    summary = " ".join(redacted(repair.incident.summary).split())
    if len(summary) > _TITLE:
        summary = summary[: _TITLE - 1] + "…"
    action = action_name(repair.attempt.action_type)
    return say(Text(key, {"summary": summary, "action": action}), language)


def _heading(name: str, language: str) -> str:
    return "## " + say(text(f"kb_section_{name}"), language)


def _sections(lines: Mapping[str, list[str]], language: str) -> str:
    parts = []
    for name, each in lines.items():
        content = "\n".join(line for line in each if line.strip())
        parts.append(f"{_heading(name, language)}\n{_whole_lines(content)}")
    return "\n\n".join(parts)


def _whole_lines(content: str) -> str:
    """Cut between lines: half a command is another command."""
    if len(content) <= _LIMIT:
        return content
    return content[: _LIMIT + 1].rpartition("\n")[0] + "\n…"


def _worded(worded: Mapping[str, str], section: str, said: _Speech) -> list[str]:
    """A model's words, with the remark that they are no more than that."""
    found = worded.get(section)
    return [redacted(found), said("kb_line_worded")] if found else []


def _symptom(repair: Repair, said: _Speech) -> list[str]:
    incident = repair.incident
    told = said(
        "kb_line_symptom",
        kind=incident.kind,
        severity=incident.severity,
        symptom=incident.symptom,
    )
    return [*_quoted(incident.summary), told, *_quoted(incident.detail)]


def _quoted(raw: str) -> list[str]:
    """Words of others without secrets, set apart, so that none of them looks like a heading."""
    return [f"> {line}" for line in redacted(raw)[-_DETAIL:].splitlines() if line.strip()]


def _steps(repair: Repair, said: _Speech) -> list[str]:
    attempt, action = repair.attempt, repair.action
    name = action_name(attempt.action_type)
    first = said("kb_line_playbook", playbook=attempt.playbook, action=name)
    steps = action.plan["steps"] if action else []
    argv = [f"{step['host'] or 'watchstander'}: {shlex.join(step['argv'])}" for step in steps]
    shown = [f"{number}. {line}" for number, line in enumerate(argv[:_STEPS], 1)]
    return [first, *shown, *([f"… +{len(argv) - _STEPS}"] if len(argv) > _STEPS else [])]


def _findings(repair: Repair, said: _Speech) -> list[str]:
    lines = []
    for look in _LOOKS:
        for raw in repair.attempt.findings.get(look, []):
            found = Finding.from_json(raw)
            state = {True: "well", False: "ill", None: "unknown"}[found.ok]
            lines.append(
                said(
                    "kb_line_finding",
                    when=text(f"kb_look_{look}"),
                    probe=found.probe,
                    state=text(f"kb_probe_{state}"),
                    detail=redacted(say(found.detail, said.language)),
                )
            )
    return lines or [said("kb_line_no_findings")]


def _output(repair: Repair) -> list[str]:
    steps = (repair.action.result or {}).get("steps", []) if repair.action else []
    return [line for step in steps for line in _quoted(step["output"])]


def _cautions(repair: Repair, said: _Speech) -> list[str]:
    action = repair.action
    if action is None:
        return []
    told = said("kb_line_risk", risk=action.risk, who=repair.decider, action=action.id)
    return [told, said("kb_line_caution")]


def _scope(repair: Repair, said: _Speech) -> list[str]:
    asset = repair.incident.asset or "–"
    return [said("kb_line_scope", asset=asset, targets=", ".join(repair.attempt.targets))]


def _conditions(repair: Repair, said: _Speech) -> list[str]:
    incident, attempt = repair.incident, repair.attempt
    return [
        said(
            "kb_line_conditions",
            kind=incident.kind,
            symptom=incident.symptom,
            severity=incident.severity,
            playbook=attempt.playbook,
        )
    ]


def _instead(repair: Repair, said: _Speech) -> list[str]:
    block, action = repair.block, repair.action
    lines = [said("kb_line_failed_run", key=repair.incident.key, action=action.id if action else 0)]
    if block is not None:
        lines.append(said("kb_line_block", id=block.id, until=block.expires_at))
    return lines
