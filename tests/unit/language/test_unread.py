"""A plain request that the rules do not know, told apart from thanks, greetings and talk."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.inventory import load_inventory
from engine.language.contract import Reading
from engine.language.names import NameIndex
from engine.language.rules import understand

INVENTORY = load_inventory(Path(__file__).with_name("examples_inventory.toml"))
INDEX = NameIndex(INVENTORY)

PLAIN_REQUESTS = (
    "서버 뿌셔줘",
    "안녕하세요, 이것 좀 처리해 주세요",
    "늘 하던 대로 부탁드립니다",
    "please do the usual thing",
    "hi, could you work your magic once more",
    "kindly do the needful, thanks",
    "請幫我處理一下那件事",
    "您好，麻煩照舊",
)
NO_REQUESTS = (
    "감사합니다!",
    "고마워요~",
    "안녕하세요",
    "앞으로 잘 부탁드립니다",
    "안녕하세요 김서연입니다. 잘 부탁드려요",
    "수고하세요",
    "고생하셨어요",
    "축하해요",
    "점심 같이 하자",
    "thanks a lot!",
    "hello everyone",
    "good morning",
    "nice work, please have a beer",
    "謝謝",
    "辛苦了，請多指教",
    "麻煩您了，謝謝",
    "早安",
    "",
    "👍",
)


def read(said: str) -> Reading:
    found = understand(said, INVENTORY, INDEX)
    return Reading(found.parse, found.assets, found.question, found.confidence)


@pytest.mark.parametrize("said", PLAIN_REQUESTS)
def test_a_request_that_is_not_known_was_not_read(said: str) -> None:
    assert read(said).unread


@pytest.mark.parametrize("said", NO_REQUESTS)
def test_thanks_greetings_and_talk_are_no_requests(said: str) -> None:
    found = read(said)
    assert found.parse.intent_type == "OTHER"
    assert not found.unread


@pytest.mark.parametrize(
    "said",
    ["재기동하지 마세요", "please don't restart anything", "請不要重啟", "재기동은 이미 했습니다"],
)
def test_a_request_to_leave_something_alone_was_read(said: str) -> None:
    assert not read(said).unread
