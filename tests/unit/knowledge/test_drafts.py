"""What a person found out for one request becomes a draft, once."""

from __future__ import annotations

import asyncio

import pytest

from engine.knowledge import drafts as drafts_module
from engine.knowledge.drafts import Drafts
from engine.knowledge.settings import KnowledgeSettings
from engine.knowledge.writing import Writer
from engine.language.classify import Suggestion
from storage import answers, articles, people
from storage.articles import Kind
from storage.lifecycle import ArticleMove, ArticleState
from storage.people import Listing, Role
from storage.requests import Request
from tests.conftest import FakeClock
from tests.unit.knowledge.shelves import LISTINGS, Shelves

WORDS = "The cable behind the door was loose; push it in until it clicks."


def drafts_of(shelves: Shelves, **settings: int | bool) -> Drafts:
    return Drafts(shelves.db, Writer(), KnowledgeSettings(**settings))  # type: ignore[arg-type]


async def closed(
    shelves: Shelves, words: str = WORDS, kind: str = "INQUIRY", title: str = "화면이 안 떠요"
) -> Request:
    async with shelves.db.write() as tx:
        suggestion = Suggestion(kind, "LOW", (), "model", 0.9)
        min_, jun = shelves.people["min"], shelves.people["jun"]
        made = await shelves.desk.create(
            tx, min_, title, "모니터가 검은색이에요.", suggestion=suggestion
        )
        await shelves.desk.assign(tx, jun, made.key, "jun")
        return await shelves.desk.close(tx, jun, made.key, words)


async def test_a_closed_question_becomes_a_draft_once(shelves: Shelves) -> None:
    request = await closed(shelves)
    drafts = drafts_of(shelves)
    assert await drafts.in_cycle() == 1
    (draft,) = await shelves.all()
    assert (draft.kind, draft.state) == (Kind.ARTICLE, ArticleState.DRAFT)
    assert (draft.title, draft.language) == ("화면이 안 떠요", "ko")
    assert WORDS in draft.body and "모니터가" in draft.body
    assert draft.questions == ("화면이 안 떠요", "모니터가 검은색이에요.")
    assert draft.origin == f"request:{request.id}"
    assert await shelves.cards() == [draft.subject]
    async with shelves.db.write() as tx:
        await articles.move(tx, draft, ArticleMove.REJECT, "person:jun")
    assert await drafts.in_cycle() == 0, "people said no to it"


async def test_what_is_not_worth_an_article(shelves: Shelves, clock: FakeClock) -> None:
    await closed(shelves, "done")
    await closed(shelves, kind="RESTART")
    async with shelves.db.write() as tx:
        min_, jun = shelves.people["min"], shelves.people["jun"]
        open_ = await shelves.desk.create(tx, min_, "Still open")
        await shelves.desk.comment(tx, jun, open_.key, WORDS)
        refused = await shelves.desk.create(tx, min_, "Refused")
        await shelves.desk.reject(tx, jun, refused.key, WORDS)
    assert await drafts_of(shelves).run_once() == 0
    await closed(shelves)
    assert await drafts_of(shelves, drafts=False).run_once() == 0
    clock.forward(minutes=8 * 24 * 60)
    assert await drafts_of(shelves).run_once() == 0, "that was last week"


async def test_a_few_in_each_cycle_and_one_that_breaks_keeps_no_other_back(
    shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = await closed(shelves, title="Broken")
    for number in range(4):
        await closed(shelves, title=f"Question {number}")
    by_template = drafts_module._by_template

    def breaks(request: drafts_module.Resolved, language: str) -> str:
        if request.id == broken.id:
            raise ValueError("a bug met by this request alone")
        return by_template(request, language)

    monkeypatch.setattr(drafts_module, "_by_template", breaks)
    drafts = drafts_of(shelves, drafts_per_cycle=2)
    assert [await drafts.in_cycle() for _ in range(4)] == [1, 2, 1, 0]
    assert {article.title for article in await shelves.all()} == {
        f"Question {number}" for number in range(4)
    }


async def test_two_processes_draft_it_once(shelves: Shelves) -> None:
    await closed(shelves)
    assert await drafts_of(shelves).run_once() + await drafts_of(shelves).run_once() == 1


async def test_many_short_words_keep_no_long_ones_back(
    shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafts_module, "_READ", 3)
    for _ in range(4):
        await closed(shelves, "done")
    await closed(shelves)
    assert await drafts_of(shelves).run_once() == 1
    assert WORDS in (await shelves.all())[0].body


async def test_a_draft_holds_no_secret_and_not_who_asked(shelves: Shelves) -> None:
    async with shelves.db.write() as tx:
        await people.sync(tx, [*LISTINGS, Listing("김민수", Role.REQUESTER, "ko")])
        suggestion = Suggestion("INQUIRY", "LOW", (), "model", 0.9)
        asker = await people.by_name(tx, "김민수")
        assert asker is not None
        made = await shelves.desk.create(
            tx,
            asker,
            "VPN password=hunter22 이 안 돼요",
            "비밀번호: Qwer1234!\n김민수입니다. 로그인이 안 됩니다.",
            suggestion=suggestion,
        )
        token = "ghp_0123456789abcdefghijABCDEFGHIJ"
        said = f"김민수 님의 토큰은 {token} 로 바꿨습니다. 포털에서 확인하세요."
        await shelves.desk.close(tx, shelves.people["jun"], made.key, said)
    assert await drafts_of(shelves).run_once() == 1
    (draft,) = await shelves.all()
    whole = "\n".join((draft.title, draft.body, *draft.questions))
    for gone in ("hunter22", "Qwer1234", "ghp_", "김민수"):
        assert gone not in whole, gone
    assert "포털에서 확인하세요" in draft.body


async def test_what_breaks_behind_a_cycle_is_told_in_the_next(
    shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafts_module, "_CYCLE_WAITS_S", 0.0)
    go_on = asyncio.Event()

    async def breaks(*_: object) -> list[object]:
        await go_on.wait()
        raise ValueError("a bug behind the cycle")

    monkeypatch.setattr(answers, "resolved", breaks)
    drafts = drafts_of(shelves)
    assert await drafts.in_cycle() == 0
    go_on.set()
    assert drafts._running is not None
    await asyncio.wait({drafts._running})
    with pytest.raises(ValueError, match="behind the cycle"):
        await drafts.in_cycle()
    monkeypatch.undo()
    assert await drafts.in_cycle() == 0, "and it begins anew"
    await drafts.stop()
