"""Groups of texts that tell of the same event."""

from __future__ import annotations

import random
import string
from collections.abc import Iterable, Sequence

import pytest

from engine.incidents.grouping import GroupingSettings, Groups
from tests.unit.hostile_values import HOSTILE

NAMES = ["kim", "lee", "park", "wang", "chen", "lin", "choi", "jung", "tsai", "huang"]


def grouped(texts: Iterable[str], settings: GroupingSettings | None = None) -> list[int]:
    groups = Groups(settings)
    shapes = [groups.add(text) for text in texts]
    return [groups.group(shape) for shape in shapes]


def one_group(texts: Sequence[str]) -> bool:
    return len(set(grouped(texts))) == 1


@pytest.mark.parametrize(
    "texts",
    [
        ["block blk_17 has 3 copies", "block blk_-99 has 12 copies"],
        [
            "10.0.0.1:80 closed, 120 bytes sent",
            "db.example.com:443 closed, 3 KB (3,072 bytes) sent",
        ],
        ["connection from 10.1.1.1 () at 12:00", "connection from 10.1.1.2 (a.example) at 9:30"],
        ["reading /var/log/a.log", "reading /srv/b"],
        ["memory = 0x1f, ok=true", "memory = 0xff, ok=false"],
        ["fans ( on on on )", "fans ( on on )"],
        ["tag 'View Lock' held", "tag 'Radio' held", *(f"tag '{n} x' held" for n in NAMES)],
        ["주문 12건 처리", "주문 7건 처리"],
        ["處理訂單123共5筆", "處理訂單9共17筆"],
    ],
)
def test_what_varies_by_its_look_is_a_variable_at_once(texts: list[str]) -> None:
    assert one_group(texts)


@pytest.mark.parametrize(
    "form",
    [
        "session opened for user {} by root",
        "message sent to {} and acknowledged",
        "queue {} has no consumer left",
        "cannot write owner={} mode=ro",
    ],
)
def test_words_in_one_place_become_a_variable_when_enough_were_seen(form: str) -> None:
    assert one_group([form.format(name) for name in NAMES])


def test_two_places_become_variables_together_though_no_two_texts_share_either() -> None:
    texts = [f"task of {name} moved to queue {name[::-1]}x by scheduler again" for name in NAMES]
    assert one_group(texts)


def test_texts_before_the_variable_was_found_belong_to_the_group_afterwards() -> None:
    groups = Groups()
    first = groups.add("message sent to kim and acknowledged")
    assert groups.template(first) == "message sent to kim and acknowledged"
    later = [groups.add(f"message sent to {name} and acknowledged") for name in NAMES]
    assert {groups.group(shape) for shape in [first, *later]} == {groups.group(first)}
    assert groups.template(first) == "message sent to * and acknowledged"


@pytest.mark.parametrize(
    "texts",
    [
        ["VM Resumed (event)", "VM Started (event)", "VM Paused (event)", "VM Stopped (event)"],
        ["job moved from NEW to RUNNING", "job moved from RUNNING to FAILED"],
        ["startup succeeded", "shutdown succeeded"],
        ["java.io.IOException: closed", "java.lang.IllegalStateException: closed"],
        ["connection refused by 10.0.0.1", "connection reset by 10.0.0.1"],
        ["open through proxy HTTPS", "open through proxy SOCKS5"],
        ["資料庫連線失敗", "資料庫連線逾時"],
        ["주문 처리 실패", "주문 처리 완료"],
    ],
)
def test_states_and_statements_stay_apart(texts: list[str]) -> None:
    assert len(set(grouped(texts))) == len(texts)


def test_two_events_that_share_a_name_do_not_become_one() -> None:
    texts = [f"session {verb} for user {n}" for n in NAMES for verb in ("opened", "closed")]
    groups = grouped(texts)
    assert len(set(groups)) == 2
    assert groups[::2] == [groups[0]] * len(NAMES)


def test_the_order_of_the_texts_hardly_matters() -> None:
    texts = [f"session opened for user {n}" for n in NAMES] + [f"disk {n} is full" for n in NAMES]
    for seed in range(20):
        random.Random(seed).shuffle(texts)
        groups = grouped(texts)
        assert len({(g, t.split()[0]) for g, t in zip(groups, texts, strict=True)}) == 2


def test_memory_is_bounded_whatever_comes() -> None:
    settings = GroupingSettings(most_shapes=200, most_places=1000, most_remembered=50)
    groups, chance = Groups(settings), random.Random(3)
    for _ in range(5000):
        words = ["".join(chance.choices(string.ascii_lowercase, k=5)) for _ in range(9)]
        groups.add(" ".join(words[: chance.randint(1, 9)]))
    # Beyond the limit come the coarse groups, and what variables become is held, too.
    assert len(groups) <= 200 + 1024 + 64
    assert len(groups._places) <= 1000
    assert len(groups._remembered) <= 50


def test_a_full_table_still_knows_the_groups_it_has() -> None:
    settings = GroupingSettings(most_shapes=40)
    known = [f"session opened for user {name}" for name in NAMES]
    noise = [f"{a} {b}" for a in string.ascii_letters for b in NAMES]
    groups = grouped([*known, *noise, "session opened for user somebody"], settings)
    assert groups[-1] == groups[0]


@pytest.mark.parametrize("text", [*HOSTILE, "", "a" * 10**6, "a b " * 10**5, "/a" * 10**5])
def test_hostile_text_has_a_group_like_any_other(text: str) -> None:
    first, again, other = grouped([text, text, "disk is full"])
    assert first == again != other
