"""What stands in a sentence besides names: addresses, times, versions, tickets, tables."""

from __future__ import annotations

from collections.abc import Callable

from engine.training.names import Names

_PORTS = (80, 443, 8080, 8443, 22, 3306, 5432, 1521, 9000)
_COUNTS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500)


def _clock(names: Names, language: str) -> str:
    hour, minute = names.random.randint(0, 23), names.random.choice(["00", "30", "15", "05"])
    forms = {
        "ko": [f"{hour}시", f"{hour}:{minute}", f"{hour}시 {minute}분"],
        "zh-TW": [f"{hour}點", f"{hour}:{minute}", f"{hour}點半"],
        "en": [f"{hour}:{minute}", f"{hour % 12 + 1}pm", f"{hour % 12 + 1} am"],
    }
    return names.random.choice(forms[language])


def _date(names: Names, language: str) -> str:
    month, day = names.random.randint(1, 12), names.random.randint(1, 28)
    forms = {
        "ko": [f"{month}월 {day}일", f"{month}/{day}"],
        "zh-TW": [f"{month}月{day}日", f"{month}/{day}"],
        "en": [f"2026-{month:02d}-{day:02d}", f"{month}/{day}", "next Tuesday"],
    }
    return names.random.choice(forms[language])


def _address(names: Names, _: str) -> str:
    return ".".join(str(names.random.randint(1, 254)) for _ in range(4))


def _path(names: Names, _: str) -> str:
    first = names.random.choice(["var", "opt", "app", "data"])
    return f"/{first}/{names.stem()}/{names.random.choice(['log', 'bin', 'conf'])}"


def _version(names: Names, _: str) -> str:
    chance = names.random
    return f"{chance.randint(0, 9)}.{chance.randint(0, 20)}.{chance.randint(0, 9)}"


def _ticket(names: Names, _: str) -> str:
    return f"{names.random.choice(['OPS', 'CHG', 'INC', 'SR'])}-{names.random.randint(100, 9999)}"


def _weakness(names: Names, _: str) -> str:
    return f"CVE-20{names.random.randint(18, 26)}-{names.random.randint(1000, 49999)}"


DETAILS: dict[str, Callable[[Names, str], str]] = {
    "f": lambda names, _: names.package(),
    "sh": lambda names, _: names.script(),
    "u": lambda names, _: names.account(),
    "p": lambda names, language: names.person(language),
    "tbl": lambda names, _: names.identifier(),
    "col": lambda names, _: names.identifier(),
    "port": lambda names, _: str(names.random.choice(_PORTS)),
    "num": lambda names, _: str(names.random.choice(_COUNTS)),
    "url": lambda names, _: f"https://{names.stem()}.example/{names.stem()}",
    "ip": _address,
    "path": _path,
    "time": _clock,
    "date": _date,
    "ver": _version,
    "cve": _weakness,
    "ticket": _ticket,
}
"""By the kind of a slot, what a name generator and a language put there."""
