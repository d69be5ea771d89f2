"""What becomes an article holds no secret by its form, and loses nothing else."""

from __future__ import annotations

import time

import pytest

from engine.redaction import redacted, without_name
from storage.redaction import MARK

NAME = "OPENSSH PRIVATE KEY"
KEY = f"-----BEGIN {NAME}-----\nb3BlbnNzaC1rZXktdjEAAAAA\nAAAA\n-----END {NAME}-----"


@pytest.mark.parametrize(
    ("said", "secret"),
    [
        ("password=hunter2 and so on", "hunter2"),
        ("DB_PASSWORD = 'hunter2'", "hunter2"),
        ('{"token": "abc123def"}', "abc123def"),
        ("password: correcthorse\nnext line", "correcthorse"),
        ("The password is Winter2026! now", "Winter2026!"),
        ("비밀번호는 Qwer1234! 입니다", "Qwer1234!"),
        ("임시 비번 qwer1234 로 로그인하세요", "qwer1234"),
        ("密碼是Qwer1234，請儘快更改", "Qwer1234"),
        ("密碼：qwer1234", "qwer1234"),
        ("mysql --password hunter2 -h db", "hunter2"),
        ("curl -H 'Authorization: Bearer abcdefgh.ijkl'", "abcdefgh"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("postgresql://ops:hunter2@db/pay", "hunter2"),
        ("use xoxb-1234567890-abcdef", "xoxb-1234567890"),
        ("use ghp_0123456789abcdefghijABCDEFGHIJ", "ghp_0123"),
        ("AKIAIOSFODNN7EXAMPLE is the id", "AKIAIOSFODNN7EXAMPLE"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "eyJhbGci"),
        ("주민번호 900101-1234567 확인", "1234567"),
        ("身分證 A123456789 已確認", "A123456789"),
        (f"the key:\n{KEY}\nthat is all", "b3Blbn"),
        (KEY[:60], "b3Blbn"),
        (KEY.split("\n", 1)[1], "b3Blbn"),
    ],
)
def test_a_secret_is_taken_out(said: str, secret: str) -> None:
    found = redacted(said)
    assert secret in said and secret not in found and MARK in found


@pytest.mark.parametrize(
    "said",
    [
        "Open the portal, choose VPN, and press Reset. A new password comes by text message.",
        "비밀번호는 5분 안에 문자로 옵니다. 세 번 틀리면 계정이 잠깁니다.",
        "비밀번호: 초기화 메뉴에서 바꾸세요.",
        "密碼忘記時，請到入口網站重設。密碼：請自行設定 12 碼以上。",
        "Password: choose a new one with 12 characters.",
        "The token expired; ask for a new one.",
        "pay-was-01: sudo -n systemctl restart -- tomcat",
        "INC-20261120-0001 (2026-11-20 09:00) PAY-WAS-01",
        "https://wiki.example.org/a:b/c and ops@example.org",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "Basic troubleshooting of VPN",
        "Basic authentication failed, and so did bearer authentication",
        "Basic 監控系統於今日上午九點三十分發生異常請協助查看並回報給值班人員，謝謝",
        "bearer 토큰만료401오류발생 확인 부탁드립니다",
        "Basic 서버모니터링2호기점검",
        "http://10.0.0.1:8080,admin@example.com",
        '{"url":"http://h:8080","mail":"ops@example.org"}',
        "",
    ],
)
def test_everything_else_stays(said: str) -> None:
    assert redacted(said) == said


def test_a_name_is_taken_out_where_it_is_a_name() -> None:
    assert without_name("김민수입니다. 김민수 님이 요청했어요", "김민수").count(MARK) == 2
    assert without_name("Thanks, Alice. Malicealike", "Alice") == f"Thanks, {MARK}. Malicealike"
    assert without_name("in a minute, min", "min") == "in a minute, min"
    assert without_name("anything", "") == "anything"


@pytest.mark.parametrize(
    "said",
    [
        "password" * 2_000,
        "password: " * 2_000,
        "-----BEGIN PRIVATE KEY-----" * 800,
        "A" * 20_000,
        ("A" * 60 + "\n") * 400,
        "a://" * 5_000,
        "eyJ" * 7_000,
        "비밀번호는 " * 3_000,
        "1" * 20_000,
        "--token " * 2_500,
    ],
)
def test_no_text_takes_long(said: str) -> None:
    begun = time.perf_counter()
    redacted(said)
    assert time.perf_counter() - begun < 1.0
