"""One alert of an Alertmanager notification as a report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from engine.incidents.reports import Report

SOURCE = "alertmanager"

_STATUS = {"firing": True, "resolved": False}
_SEVERITY_LABELS = ("severity", "priority")
_SUMMARIES = ("summary", "message", "title")
_DETAILS = ("description", "detail")
_FINGERPRINT_LIMIT = 200


class BadAlert(ValueError):
    """It cannot be read; the text names the field, what is wrong with it, and what it must be."""


def read_alert(raw: object) -> Report:
    """The report that an alert makes. Unknown fields are ignored. Raises BadAlert."""
    if not isinstance(raw, Mapping):
        raise BadAlert("is not an object; send {status, labels, annotations, fingerprint}")
    status = raw.get("status")
    if not isinstance(status, str) or status not in _STATUS:
        raise BadAlert("status: must be firing or resolved")
    labels = _texts(raw, "labels")
    if not labels:
        raise BadAlert("labels: is missing or empty; an alert is known by them")
    annotations = _texts(raw, "annotations")
    name = labels.get("alertname", "")
    detail = _first(annotations, _DETAILS)
    summary = _first(annotations, _SUMMARIES) or name or detail.strip().partition("\n")[0]
    return Report(
        source=SOURCE,
        severity=_first(labels, _SEVERITY_LABELS),
        summary=summary or _listed(labels),
        fingerprint=_fingerprint(raw.get("fingerprint"), labels),
        firing=_STATUS[status],
        # The alert's name mostly says what is wrong, so it belongs to what is classified.
        detail="\n".join(line for line in (name, detail) if line and line != summary),
        labels=labels,
    )


def _texts(raw: Mapping[str, object], field: str) -> dict[str, str]:
    value = raw.get(field)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise BadAlert(f"{field}: must be an object")
    for name, one in value.items():
        if not isinstance(one, str):
            shown = json.dumps(name)[:60]
            raise BadAlert(f"{field}: {shown} must be text")
    return dict(value)


def _first(texts: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((texts[name] for name in names if texts.get(name, "").strip()), "")


def _fingerprint(given: object, labels: Mapping[str, str]) -> str:
    """Alertmanager's own; where a program left it out, the same over the labels."""
    if given is None or given == "":
        named = json.dumps(labels, sort_keys=True).encode()
        return hashlib.sha256(named).hexdigest()[:16]
    if not isinstance(given, str) or len(given) > _FINGERPRINT_LIMIT:
        raise BadAlert(f"fingerprint: must be text of at most {_FINGERPRINT_LIMIT} characters")
    return given


def _listed(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(labels.items()))
