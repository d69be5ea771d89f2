"""The small rules behind ``watchstander parse --eval``: languages, shares, times, lines."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import pytest

from bot.commandline.parse_language import language_of, latin_names
from bot.commandline.parse_lines import LONGEST_LINE, lines
from bot.commandline.parse_score import Share, Times
from engine.inventory import load_inventory

INVENTORY = load_inventory(Path(__file__).parents[1] / "language" / "examples_inventory.toml")
NAMES = latin_names(INVENTORY)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("예산시스템 재기동해줘", "ko"),
        ("예산 WAS랑 DB 둘 다 내려줘", "ko"),
        ("momo-pro-system 재시작, mail-3.1.war 배포", "ko"),
        ("budget system 재시작", "ko"),  # a name of the inventory
        ("tomcat 재기동 부탁드립니다. /var/log/app 확인", "ko"),
        ("restart 예산시스템 please", "mixed"),
        ("please 예산시스템 재시작", "mixed"),
        ("預算系統 재시작", "mixed"),
        ("把 momo-db 重啟", "zh-TW"),
        ("WAS 重啟", "zh-TW"),
        ("幫我 restart 購物網", "mixed"),
        ("restart momo-db", "en"),
        ("RESTART WAS", "en"),
        ("ｒｅｓｔａｒｔ 예산", "mixed"),  # full width
        ("17 🙂 ?!", "other"),
        ("перезапусти", "other"),
        ("", "other"),
    ],
)
def test_a_message_is_sorted_by_its_script(text: str, language: str) -> None:
    assert language_of(text, NAMES) == language


@pytest.mark.parametrize(
    ("right", "of", "percent"),
    [(0, 0, None), (0, 3, 0.0), (3, 3, 100.0), (2, 3, 66.6), (9999, 10000, 99.9)],
)
def test_a_hundred_percent_means_all(right: int, of: int, percent: float | None) -> None:
    assert Share(right, of).percent == percent


def test_percentiles_are_times_that_were_measured() -> None:
    times = Times()
    times.ms.extend([5.0, 1.0, 4.0, 2.0, 3.0])
    assert [times.percentile(share) for share in (0.0, 0.2, 0.5, 0.8, 0.99, 1.0)] == [
        1.0,
        1.0,
        3.0,
        4.0,
        5.0,
        5.0,
    ]


def test_a_line_without_end_is_never_held_whole() -> None:
    class Endless(io.RawIOBase):
        left = 64 * LONGEST_LINE

        def readable(self) -> bool:
            return True

        # The stub says "Buffer", which cannot be sliced; a reader of lines hands in a bytearray.
        def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
            size = min(len(buffer), self.left)
            buffer[:size] = b"a" * size
            self.left -= size
            return size

    tracemalloc.start()
    try:
        (line,) = lines(io.BufferedReader(Endless()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert line.problem.startswith("line 1: is longer than")
    assert peak < 8 * LONGEST_LINE
