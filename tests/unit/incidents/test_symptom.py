"""Symptoms: the same again has the same hash, something else has another."""

from __future__ import annotations

import re

import pytest

from engine.incidents.symptom import constant, symptom_hash
from tests.unit.hostile_values import HOSTILE

SAME = [
    (
        "2026-11-20 12:00:01,123 ERROR could not connect to 10.0.0.1:5432 after 3.2s",
        "2025-01-02 03:04:05 ERROR could not connect to 192.168.7.9:5432 after 12 ms",
    ),
    (
        'request 550e8400-e29b-41d4-a716-446655440000 failed for tenant "kim"',
        'request deadbeef-abcd-beef-cafe-abcdefabcde1 failed for tenant "park lee"',
    ),
    (
        "File \"/opt/app/main.py\", line 12\nOSError: [Errno 28] No space left: '/var/log/a.log'",
        "File \"/srv/other.py\", line 345\nOSError: [Errno 28] No space left: '/data/b'",
    ),
    ("주문 서버 was-01 연결 실패 3회", "주문 서버 was-12 연결 실패 17회"),
    ("連線到資料庫db01失敗，共3次", "連線到資料庫db22失敗，共15次"),
    (
        "Nov 20 12:00:01 web-1 app[123]: disk full on /data",
        "Dec  1 03:00:09 web-2 app[9]: disk full on /var",
    ),
    (
        '{"level":"error","message":"pool is exhausted for tenant","tenant":"a"}',
        '{"level":"error","message":"pool is exhausted for tenant","tenant":"b"}',
    ),
    ("used 1.5 GB of 2 GB", "used 900 MB of 1GB"),
    ("cannot reach db.internal: timeout", "cannot reach cache.example.com: timeout"),
    ("block id deadbeefab is gone", "block id 0xcafe12 is gone"),
    ("mail to kim@a.example bounced", "mail to wang@b.example bounced"),
    ("failed after 2m30s", "failed after 3 days"),
    ("session closed for user root", "session closed for user kim"),
    ("login refused user=root shell=none", "login refused user=kim shell=bash"),
    ("C:\\app\\x.log is locked", "D:\\data\\y z.log is locked".replace(" z", "")),
    ("link aa:bb:cc:dd:ee:ff down", "link 00:1b:44:11:3a:b7 down"),
    ("peer fe80::a1 left", "peer 2001:db8::ff:1 left"),
    ("GET https://a.example/x?y=1 failed", "GET http://b.example:80/z failed"),
]
OTHER = [
    ("disk full on /data", "disk slow on /data"),
    ("connection refused by 10.0.0.1", "connection reset by 10.0.0.1"),
    ("java.io.IOException: broken pipe", "java.lang.NullPointerException: broken pipe"),
    ("주문 서버 연결 실패", "주문 서버 응답 없음"),
    ("資料庫連線失敗", "資料庫連線逾時"),
]


@pytest.mark.parametrize(("one", "again"), SAME)
def test_variables_do_not_matter(one: str, again: str) -> None:
    assert constant(one) == constant(again)
    assert symptom_hash("UNKNOWN", "order", one) == symptom_hash("UNKNOWN", "order", again)


@pytest.mark.parametrize(("one", "another"), OTHER)
def test_the_rest_of_the_message_does(one: str, another: str) -> None:
    assert symptom_hash("UNKNOWN", "", one) != symptom_hash("UNKNOWN", "", another)


def test_sentences_in_json_stay_though_they_stand_in_quotes() -> None:
    first = '{"message": "the pool is exhausted again"}'
    second = '{"message": "the queue is not drained"}'
    assert constant(first) == "message the pool is exhausted again"
    assert constant(first) != constant(second)


def test_class_and_service_matter_and_do_not_run_into_each_other() -> None:
    hashes = {
        symptom_hash(kind, service, text)
        for kind, service, text in [
            ("OOM", "", "order stopped"),
            ("OOM", "order", "stopped"),
            ("OOM", "order", "order stopped"),
            ("TIMEOUT", "order", "order stopped"),
            ("OOM", "order\x1forder", "stopped"),
        ]
    }
    assert len(hashes) == 5


def test_a_hash_is_the_same_in_every_release() -> None:
    """Anti-patterns are kept by it."""
    assert constant("Out of memory: Killed process 4711 (java)") == (
        "out of memory killed process * java"
    )
    found = symptom_hash("OOM", "order", "Out of memory: Killed process 4711 (java)")
    assert found == "2a2a11d7b02f4814"


@pytest.mark.parametrize(
    "text", [*HOSTILE, "", "a" * 10**6, "/a" * 10**5, '"' * 10**5, "=" * 10**5]
)
def test_hostile_text_has_a_symptom_like_any_other(text: str) -> None:
    assert re.fullmatch("[0-9a-f]{16}", symptom_hash("OOM", text[:100], text))
    assert "\n" not in constant(text)
