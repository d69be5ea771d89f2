"""The index follows the rows, whoever changes them, and is never in anybody's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from engine.knowledge import library as library_module
from engine.knowledge.articles import Article
from engine.knowledge.library import Library
from engine.knowledge.search import Search
from storage import answers, articles
from storage.answers import NewAnswer
from storage.articles import WATCHSTANDER, Kind, Words
from storage.lifecycle import ArticleMove
from tests.conftest import FakeClock
from tests.unit.knowledge.shelves import LEAVE, PRINTER, VPN, Shelves

RESET = "How do I reset my VPN password?"


@pytest.fixture
async def library(shelves: Shelves) -> AsyncIterator[Library]:
    found = Library(shelves.db)
    yield found
    found.close()


async def best(library: Library, question: str = RESET) -> str:
    asked = await library.ask(question)
    assert asked is not None
    return asked.answer.found[0].article.key if asked.answer.found else ""


async def test_before_the_articles_are_read_it_says_so(library: Library) -> None:
    assert not library.ready
    assert await library.ask(RESET) is None
    assert await library.refresh()
    assert library.ready and await best(library) == ""
    assert not await library.refresh(), "nothing had changed"


async def test_it_follows_each_change(library: Library, shelves: Shelves) -> None:
    vpn = await shelves.published(*VPN)
    printer = await shelves.published(*PRINTER)
    await library.refresh()
    assert (await best(library), len(library)) == (vpn.key, 2)
    async with shelves.db.write() as tx:
        await articles.edit(tx, printer, Words(title="Reset the VPN password"), WATCHSTANDER)
        await articles.move(tx, vpn, ArticleMove.RETIRE, WATCHSTANDER)
    assert await best(library) == vpn.key, "the index is not read from the rows at each question"
    await library.refresh()
    asked = await library.ask(RESET)
    assert asked is not None and len(library) == 1
    assert asked.answer.found[0].article.title == "Reset the VPN password"
    assert asked.held[printer.key].version == 2


async def test_drafts_are_not_searched_and_likely_questions_are(
    library: Library, shelves: Shelves
) -> None:
    async with shelves.db.write() as tx:
        await articles.create(
            tx,
            kind=Kind.ARTICLE,
            title=VPN[0],
            body=VPN[1],
            language="en",
            actor=WATCHSTANDER,
        )
    leave = await shelves.published(*LEAVE, questions=("쉬고 싶은데 어디에 올리나요?",))
    await library.refresh()
    assert await best(library) != "KB-20261120-0001" and len(library) == 1
    asked = await library.ask("쉬고 싶은데 어디에 올리나요?")
    assert asked is not None and asked.answer.found[0].article.key == leave.key
    assert "쉬고" not in asked.answer.found[0].passage, "a question is never quoted"


async def test_a_warning_is_found_and_answers_nothing(library: Library, shelves: Shelves) -> None:
    bad = await shelves.published(*VPN, kind=Kind.ANTI_PATTERN)
    book = await shelves.published(*PRINTER, kind=Kind.RUNBOOK)
    await library.refresh()
    asked = await library.ask(RESET)
    assert asked is not None
    assert [each.article.key for each in asked.warning.found] == [bad.key]
    assert bad.key not in [each.article.key for each in asked.answer.found]
    assert (asked.held[bad.key].answers, await best(library, "office printer")) == (False, book.key)


async def test_many_changes_are_read_beside_what_is_there(
    library: Library, shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library_module, "_ANEW", 3)
    monkeypatch.setattr(library_module, "_AT_ONCE", 2)
    await shelves.published(*PRINTER)
    await library.refresh()
    for number in range(5):
        await shelves.published(f"{VPN[0]} {number}", VPN[1])
    await library.refresh()
    assert len(library) == 6
    assert await best(library) in {article.key for article in (await shelves.all())[1:]}


async def test_votes_change_the_confidence(
    library: Library, shelves: Shelves, clock: FakeClock
) -> None:
    vpn = await shelves.published(*VPN)
    await library.refresh()
    asked = await library.ask(RESET)
    assert asked is not None
    before = asked.answer.confidence
    async with shelves.db.write() as tx:
        for _ in range(3):
            request = await shelves.desk.create(tx, shelves.people["min"], RESET)
            new = NewAnswer(
                vpn.id, 1, vpn.key, vpn.title, RESET, "…", before, asked.answer.evidence
            )
            given = await answers.give(tx, request, new)
            assert given is not None
            await answers.vote(tx, given, shelves.people["min"], solved=False)
    assert await library.refresh()
    asked = await library.ask(RESET)
    assert asked is not None and asked.answer.confidence < before
    clock.forward(minutes=1)
    async with shelves.db.write() as tx:
        now = await articles.must(tx, vpn.id)
        await articles.edit(tx, now, Words(body=VPN[1] + " Ask the desk."), WATCHSTANDER)
    await library.refresh()
    again = await library.ask(RESET)
    assert again is not None and again.answer.confidence == pytest.approx(before, abs=0.1)


async def test_asking_goes_on_while_a_new_index_is_built(
    library: Library, shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop is free, and the old index answers, until the new one is there."""
    vpn = await shelves.published(*VPN)
    await library.refresh()
    monkeypatch.setattr(library_module, "_ANEW", 0)
    reached, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    put = Search.put

    def slow(self: Search, article: Article) -> None:
        loop.call_soon_threadsafe(reached.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(10)
        put(self, article)

    await shelves.published(*PRINTER)
    monkeypatch.setattr(Search, "put", slow)
    refreshing = asyncio.create_task(library.refresh())
    await reached.wait()
    assert (await best(library), len(library)) == (vpn.key, 1)
    go_on.set()
    assert await refreshing
    assert len(library) == 2


async def test_an_article_that_cannot_be_read_keeps_no_other_from_being_found(
    library: Library, shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    vpn, printer = await shelves.published(*VPN), await shelves.published(*PRINTER)
    put = Search.put

    def breaks(self: Search, article: Article) -> None:
        if article.key == printer.key and "Mended" not in article.title:
            raise ValueError("a bug met by this article alone")
        put(self, article)

    monkeypatch.setattr(Search, "put", breaks)
    assert await library.refresh()
    assert await best(library) == vpn.key
    assert not await library.refresh(), "it is not tried for ever"
    async with shelves.db.write() as tx:
        await articles.edit(tx, printer, Words(title="Mended: the office printer"), WATCHSTANDER)
    await library.refresh()
    assert await best(library, "office printer") == printer.key
