"""Any text at all: no exception, a valid parse, and assets of the inventory only."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.inventory import Asset, Institution, Inventory, System
from engine.language.contract import TARGETLESS, Parse
from engine.language.model import ModelSettings
from engine.language.names import NameIndex
from engine.language.reader import Reader
from engine.language.rules import understand
from tests.unit.language.table import inventory

_PIECES = st.sampled_from(
    [
        *(
            "예산",
            "예산시스템",
            "기재부",
            "메일",
            "momo",
            "momo-db",
            "budget-was-01",
            "budget-was-0",
        ),
        *("01", "02~", "~03", ",", "WAS", "web", "디비", "운영", "재시작", "하지", "말고", "빼고"),
        *("stop", "don't", "restart", "except", "不要", "重啟", "除了", "購物網", "a.war", "x.sh"),
        *("로그", "상태", "어떻게", "怎麼", "how", "한 대만", "second node", "他", "的", "と"),
        *("\x00", "\u200b", "\ue000", "\ue001", "\ufffd", "\u202e", "\ud800", "👩‍👩‍👧", "Ｗ", "㈜"),
        *(
            "ﷺ",
            "İ",
            "ß",
            "{",
            "}",
            '"',
            "'",
            "\\",
            "/",
            "//",
            "<",
            ">",
            "@",
            "#",
            "$",
            ";",
            "|",
            "&&",
        ),
        *("\n", "\t", "1", "999999999999", "#1"),
    ]
)
_TEXTS = st.one_of(
    st.text(max_size=300),
    st.lists(_PIECES, max_size=30).map(" ".join),
    st.lists(_PIECES, max_size=30).map("".join),
)


@settings(max_examples=300, deadline=None)
@given(_TEXTS)
def test_any_text(text: str) -> None:
    known, index = inventory("examples_inventory")
    said = understand(text, known, index)
    assert set(said.assets) <= set(known.assets)
    assert list(said.assets) == sorted(set(said.assets))
    assert Parse.from_json(said.parse.to_json()) == said.parse
    assert not (said.assets and said.question)
    if said.parse.intent_type in TARGETLESS:
        assert said.assets == ()


@pytest.mark.parametrize(
    "text",
    [
        "restart " * 20_000,
        "재시작 하지 말고 " * 10_000,
        "a-1 " * 30_000,
        "ab" * 50_000,
        '{"' * 50_000,
        "/a" * 50_000,
        "1~" * 50_000,
        "請" * 100_000,
        "\n" * 100_000,
        "momo-db, " * 11_000,
        "예산의 " * 30_000,
    ],
    ids=lambda text: text[:8],
)
async def test_a_hundred_kilobytes_are_answered_quickly(text: str) -> None:
    known, _ = inventory("examples_inventory")
    reader = Reader(known, ModelSettings())
    began = time.process_time()
    said = await reader.read(text)
    assert time.process_time() - began < 1.5
    assert set(said.assets) <= set(known.assets)


def test_a_target_beyond_the_limit_of_the_text_is_not_read() -> None:
    known, index = inventory("examples_inventory")
    assert understand("restart momo-db", known, index).assets == ("MOMO-DB",)


async def test_only_the_first_characters_count() -> None:
    known, _ = inventory("examples_inventory")
    reader = Reader(known)
    assert (await reader.read("restart " + "." * 4000 + " momo-db")).assets == ()


def test_fifty_thousand_assets() -> None:
    known = Inventory(
        {f"I{i}": Institution(f"I{i}", (f"기관{i}부", f"Agency{i}")) for i in range(100)},
        {f"S{i}": System(f"S{i}", f"I{i % 100}", (f"업무시스템{i}",)) for i in range(1000)},
        {
            f"A-{i:05d}": Asset(
                f"A-{i:05d}", f"S{i % 1000}", "WAS", "PRD", f"host-{i:05d}", service="tomcat"
            )
            for i in range(50_000)
        },
    )
    index = NameIndex(known)
    understand("warm", known, index)
    began = time.process_time()
    for i in range(0, 50_000, 500):
        said = understand(f"restart host-{i:05d} and hots-{i:05d}", known, index)
        assert said.assets == (f"A-{i:05d}",)
        assert understand(f"host-9{i:05d} 재시작", known, index).assets == ()
    assert (time.process_time() - began) / 200 < 0.02
