"""No secret and no terminal code gets into the log."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import pytest

from bot.commandline.logs import PlainLines
from bot.platforms.messenger.settings import MessengerSettings
from bot.platforms.telegram.settings import TelegramSettings
from bot.settings_secrets import secrets_in
from storage.database import DatabaseSettings


@dataclass(frozen=True)
class Everything:
    telegram: TelegramSettings
    messenger: MessengerSettings
    database: DatabaseSettings
    nothing: None = None
    plain: str = field(default="not a secret")


CANARIES = ("777:canary-token", "canary-secret", "canary-password", "canary-hook")
SETTINGS = Everything(
    TelegramSettings(CANARIES[0], webhook_secret=CANARIES[3]),
    MessengerSettings({"kakao": CANARIES[1]}),
    DatabaseSettings(f"postgresql+psycopg://ops:{CANARIES[2]}@db.example.org/watch"),
)


def line(message: str, secrets: frozenset[str] = frozenset()) -> str:
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, "%s", (message,), None)
    return PlainLines("%(message)s", secrets).format(record)


def test_every_secret_in_the_settings_is_known() -> None:
    assert set(secrets_in(SETTINGS)) == set(CANARIES)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql+psycopg://ops:canary%2Fpass@db/watch",
        "postgresql+psycopg://ops:canary/pass@db/watch",
        "postgresql+psycopg://ops@db/watch?sslmode=require&password=canary/pass",
        "postgresql+psycopg:///watch?user=ops&password=canary%2Fpass",
    ],
)
def test_a_database_password_is_known_however_it_is_given(address: str) -> None:
    assert "canary/pass" in set(secrets_in(DatabaseSettings(address)))


def test_an_address_without_a_password_holds_none() -> None:
    for address in ("http://127.0.0.1:11434/v1", "postgresql+psycopg://ops@db:5432/watch"):
        assert not set(secrets_in(DatabaseSettings(address)))


@pytest.mark.parametrize("canary", CANARIES)
def test_a_known_secret_is_hidden_wherever_it_stands(canary: str) -> None:
    said = line(f"GET https://api.example.org/bot{canary}/getMe", frozenset(secrets_in(SETTINGS)))
    assert said == "GET https://api.example.org/bot[hidden]/getMe"


def test_an_exception_with_a_secret_in_it_is_hidden_too() -> None:
    try:
        raise ValueError(f"cannot reach {CANARIES[1]}")
    except ValueError as error:
        info = (ValueError, error, error.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "failed", (), info)
    said = PlainLines("%(message)s", frozenset(secrets_in(SETTINGS))).format(record)
    assert "ValueError: cannot reach [hidden]" in said


@pytest.mark.parametrize(
    "token",
    [
        "xoxb-123456789012-abcdefghij",
        "xapp-1-A0123456789-0123456789",
        "123456789:AAF1234567890abcdefghijklmnopqrstuvw",
        "ws_" + "a" * 43,
    ],
)
def test_what_looks_like_a_token_is_hidden(token: str) -> None:
    assert line(f"got {token}!") == "got [hidden]!"


def test_what_terminals_obey_is_written_out() -> None:
    assert line("a\x1b[31mred\r\u202eb\x07") == "a\\x1b[31mred\\x0d\\x202eb\\x07"
    assert line("서버 재시작 重啟\tfine") == "서버 재시작 重啟\tfine"


def test_short_words_are_not_hidden() -> None:
    assert line("the cat sat", frozenset({"cat", ""})) == "the cat sat"
