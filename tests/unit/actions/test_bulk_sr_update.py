"""The same change to many requests."""

from __future__ import annotations

import pytest

from tests.unit.actions.stage import plan, refusal

KEYS = [f"SR-20261120-{number:04d}" for number in range(1, 8)]


@pytest.mark.parametrize(
    ("operation", "value"),
    [("close", ""), ("close", "끝났습니다"), ("assign", "김민수"), ("assign", "Chen Wei-Ting"),
     ("assign", "陳怡君"), ("priority", "LOW"), ("comment", "請確認（明天）")],
)  # fmt: skip
def test_steps_are_inside_and_touch_no_host(operation: str, value: str) -> None:
    made = plan("bulk_sr_update", *KEYS[:2], op=operation, value=value)
    assert [(s.asset, s.host, s.endpoint) for s in made.steps] == [(k, "", "") for k in KEYS[:2]]
    assert made.steps[0].argv == ("request", operation, KEYS[0], value)


def test_more_than_five_are_critical() -> None:
    assert plan("bulk_sr_update", *KEYS[:5], op="close").risk == "HIGH"
    assert plan("bulk_sr_update", *KEYS[:6], op="close").risk == "CRITICAL"


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"op": "delete"}, "close, assign, priority, comment"),
        ({"op": "assign"}, "needs the parameter value"),
        ({"op": "priority", "value": "low"}, "CRITICAL, HIGH, MEDIUM, LOW"),
        ({"op": "assign", "value": "\u0430dmin"}, "a person's name"),
        ({"op": "comment", "value": "x" * 501}, "1 to 500 characters"),
        ({}, "needs the parameter op"),
    ],
)
def test_what_does_not_fit_is_refused(params: dict[str, str], words: str) -> None:
    assert words in refusal("bulk_sr_update", KEYS[0], **params)


@pytest.mark.parametrize(
    "key", ["SR-2026112-0001", "sr-20261120-0001", "SR-20261120-001", "SR-20261120-0001234", "17"]
)
def test_other_keys_are_refused(key: str) -> None:
    assert "SR-20261120-0001" in refusal("bulk_sr_update", key, op="close")
