"""The embedding model's child process: finds, hangs, dies, is fed bad files; words carry on."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import gguf
import pytest

from engine.knowledge.articles import Article
from engine.knowledge.nearness import Nearness, texts_of
from engine.knowledge.search import Search
from engine.knowledge.settings import KnowledgeSettings
from engine.language.model import ModelSettings
from prompts.texts import say
from storage import articles
from storage.articles import WATCHSTANDER, Kind
from storage.lifecycle import ArticleMove
from tests.attacks.stage import Stage
from tests.contract.test_model_child import until
from tests.contract.tiny_embedder import write_embedder, write_encoder
from tests.contract.tiny_guided import write_ticket_model

GATE = Article("gate", "大門", "大門壞了請打分機。")
VPN = Article("vpn", "Resetting the VPN password", "Open the portal, choose VPN, press Reset.")
HOLIDAY = Article("leave", "연차 신청", "인사 포털에서 신청하세요.", ("쉬고 싶은데요?",))
SHELF = [VPN, GATE, HOLIDAY]
ALIKE = {"z": "門"}
"""A question of z shares no word with the gate, and means it."""


@asynccontextmanager
async def near(path: Path, settings: dict[str, Any] | None = None) -> AsyncIterator[Nearness]:
    given = {"embed_s": 5.0, **(settings or {})}
    nearness = Nearness(KnowledgeSettings(embeddings=path, **given))
    await nearness.start(20)
    try:
        yield nearness
    finally:
        await nearness.stop()


async def back(nearness: Nearness) -> None:
    """As the bot's own loop does it: look until the model has come back."""
    async with asyncio.timeout(20):
        while not await nearness.follow(SHELF):
            await asyncio.sleep(0.02)


def killed(nearness: Nearness, number: int = signal.SIGKILL) -> int:
    assert nearness.pid is not None
    os.kill(nearness.pid, number)
    return nearness.pid


async def test_an_article_is_found_that_shares_no_word(tmp_path: Path) -> None:
    path = write_embedder(tmp_path / "tiny.gguf", ALIKE)
    async with near(path) as nearness:
        assert await nearness.nearest("zzz") == (), "no vectors yet"
        assert await nearness.follow(SHELF)
        assert (nearness.ok, nearness.detail) == (True, "tiny.gguf loaded; 3 of 3 articles")
        found = await nearness.nearest("zzz")
        assert found[0] == "gate"
        search = Search(SHELF)
        assert search.ask("zzz").best is None
        answer = search.ask("zzz", near=found)
        assert (answer.best, answer.confidence) == (GATE, 0.0)
        assert answer.found[0].passage in GATE.body


async def test_likely_questions_and_every_passage_are_found(tmp_path: Path) -> None:
    long = Article("long", "x", "x. " * 400 + "QQQQ QQQQ. " + "y. " * 400, ("WWWW WWWW",))
    path = write_embedder(tmp_path / "tiny.gguf")
    async with near(path) as nearness:
        assert await nearness.follow([VPN, long])
        assert (await nearness.nearest("WW"))[0] == "long"
        assert (await nearness.nearest("QQQQQQ QQQQ"))[0] == "long"


async def test_it_follows_the_articles(tmp_path: Path) -> None:
    async with near(write_embedder(tmp_path / "tiny.gguf", ALIKE)) as nearness:
        await nearness.follow(SHELF)
        gone = [VPN, HOLIDAY]
        await nearness.follow(gone)
        assert "gate" not in await nearness.nearest("zzz")
        await nearness.follow([Article("vpn", "門門", "門"), HOLIDAY])
        assert (await nearness.nearest("zzz"))[0] == "vpn"


@pytest.mark.parametrize("said", ["", " \n", "\ud800", "\x00", "\u200b", "門" * 50_000, "<|eos|>"])
async def test_odd_questions_do_no_harm(tmp_path: Path, said: str) -> None:
    async with near(write_embedder(tmp_path / "tiny.gguf")) as nearness:
        await nearness.follow([*SHELF, Article("odd", said, said, (said,))])
        pid = nearness.pid
        await nearness.nearest(said)
        assert (await nearness.nearest("VPN password"))[0] == "vpn"
        assert (nearness.ok, nearness.pid) == (True, pid)


async def test_killed_while_asked_words_go_on_and_it_comes_back(tmp_path: Path) -> None:
    async with near(write_embedder(tmp_path / "tiny.gguf", ALIKE)) as nearness:
        await nearness.follow(SHELF)
        first = killed(nearness, signal.SIGSTOP)
        asked = asyncio.create_task(nearness.nearest("zzz"))
        await asyncio.sleep(0.05)
        killed(nearness)
        assert await asked == ()
        assert (nearness.ok, await nearness.nearest("zzz")) == (False, ())
        await back(nearness)
        assert nearness.pid not in (None, first)
        assert (await nearness.nearest("zzz"))[0] == "gate"


async def test_a_slow_model_is_waited_for_once_and_left_alone(tmp_path: Path) -> None:
    path = write_embedder(tmp_path / "tiny.gguf")
    async with near(path, {"embed_s": 0.3}) as nearness:
        await nearness.follow(SHELF)
        killed(nearness, signal.SIGSTOP)
        began = time.monotonic()
        assert await asyncio.gather(*(nearness.nearest("VPN") for _ in range(5))) == [()] * 5
        assert time.monotonic() - began < 2
        assert not nearness.ok and "no answer within 0.3 s" in nearness.detail
        began = time.monotonic()
        assert await nearness.nearest("VPN") == ()
        assert time.monotonic() - began < 0.3, "the next one does not wait"
        killed(nearness, signal.SIGCONT)
        async with asyncio.timeout(20):
            while not await nearness.nearest("VPN"):
                await asyncio.sleep(0.02)


async def test_another_file_in_its_place_has_everything_made_anew(tmp_path: Path) -> None:
    path = write_embedder(tmp_path / "tiny.gguf", ALIKE)
    async with near(path) as nearness:
        await nearness.follow(SHELF)
        write_embedder(path.with_name("other"), {"z": "연"}, more=64).replace(path)
        killed(nearness)
        await until(lambda: not nearness.ok)
        await back(nearness)
        assert (await nearness.nearest("z"))[0] == "leave"


async def test_an_article_over_which_the_model_falls_is_left_to_words(tmp_path: Path) -> None:
    """Each time it is in work the process dies; the others must not wait for it for ever."""
    bad = Article("bad", "bad", "bad")
    async with near(write_embedder(tmp_path / "tiny.gguf")) as nearness:
        await nearness.follow([VPN])
        for _ in range(10):
            killed(nearness, signal.SIGSTOP)
            followed = asyncio.create_task(nearness.follow([VPN, bad]))
            await asyncio.sleep(0.05)
            killed(nearness)
            done = await followed
            await until(lambda: not nearness.ok)
            async with asyncio.timeout(20):
                while not await nearness.follow([VPN, bad] if done else [VPN]):
                    await asyncio.sleep(0.02)
            if done:
                break
        assert await nearness.follow([VPN, bad, GATE])
        assert nearness.detail.endswith("2 of 3 articles, 1 by words alone (see the log)")
        assert (await nearness.nearest("bad"))[0] != "bad"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"value": float("nan")}, "gives no vectors that can be used"),
        ({"value": 0.0}, "gives no vectors that can be used"),
        ({"value": 1.0}, "gives different texts the same vector"),
        ({"template": True}, "is an instruct model; name an embedding model in [knowledge]"),
        ({"pooling": gguf.PoolingType.RANK}, "a reranker"),
    ],
)
async def test_a_model_of_another_kind_is_told(
    tmp_path: Path, given: dict[str, Any], says: str
) -> None:
    async with near(write_embedder(tmp_path / "tiny.gguf", **given)) as nearness:
        assert not await nearness.follow(SHELF)
        assert not nearness.ok and says in nearness.detail
        assert await nearness.nearest("VPN password") == ()


async def test_the_model_that_reads_messages_is_refused(tmp_path: Path) -> None:
    path = write_ticket_model(tmp_path / "tiny.gguf", "LOG", "CRITICAL")
    assert (
        "the model that reads messages"
        in await Nearness(KnowledgeSettings(embeddings=path)).tried()
    )


@pytest.mark.parametrize("pooling", [gguf.PoolingType.MEAN, gguf.PoolingType.LAST])
async def test_the_file_says_how_a_text_becomes_one_vector(
    tmp_path: Path, pooling: gguf.PoolingType
) -> None:
    path = write_embedder(tmp_path / "tiny.gguf", pooling=pooling)
    by_mean = pooling is gguf.PoolingType.MEAN
    async with near(path) as nearness:
        await nearness.follow([Article("many", "aaaab", ""), Article("last", "bbbba", "")])
        assert (await nearness.nearest("cca"))[0] == ("many" if by_mean else "last")


async def test_a_model_that_reads_in_both_directions(tmp_path: Path) -> None:
    """The usual kind. It has 32 places; a longer text would be read beyond them."""
    path = write_encoder(tmp_path / "tiny.gguf", ["printer", "paper", "gate", "door", "vpn"])
    shelf = [Article("p", "printer paper", "paper"), Article("d", "gate door", "gate " * 900)]
    async with near(path) as nearness:
        assert await nearness.follow(shelf)
        assert (await nearness.nearest("paper"))[0] == "p"
        assert (await nearness.nearest("door " + "gate " * 300 + "paper"))[0] == "d"
        assert nearness.ok


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:9000])


def _text(path: Path) -> None:
    path.write_text("not a model")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [(_cut, "damaged"), (_text, "not a GGUF file; name another"), (Path.unlink, "No such file")],
)
async def test_a_bad_file_is_told(tmp_path: Path, spoil: Callable[[Path], None], says: str) -> None:
    path = write_embedder(tmp_path / "tiny.gguf")
    spoil(path)
    async with near(path) as nearness:
        assert not await nearness.follow(SHELF)
        assert says in nearness.detail and (nearness.ok, nearness.pid) == (False, None)


async def test_another_file_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    path = write_embedder(tmp_path / "tiny.gguf")
    right = sha256(path.read_bytes()).hexdigest()
    for pinned, says in ((right, ""), ("0" * 64, "not the one in [knowledge] embeddings_sha256")):
        settings = KnowledgeSettings(embeddings=path, embeddings_sha256=pinned)
        told = await Nearness(settings).tried()
        assert says in told and bool(told) == bool(says)


async def test_the_child_is_bounded_and_steps_back(tmp_path: Path) -> None:
    path = write_embedder(tmp_path / "tiny.gguf")
    nearness = Nearness(KnowledgeSettings(embeddings=path), ModelSettings(memory_mb=1500))
    await nearness.start(20)
    limits = Path(f"/proc/{nearness.pid}/limits").read_text()
    bound = next(line for line in limits.splitlines() if line.startswith("Max address space"))
    assert str(1500 * 1024 * 1024) in bound
    assert nearness.pid is not None
    assert os.getpriority(os.PRIO_PROCESS, nearness.pid) > os.getpriority(os.PRIO_PROCESS, 0)
    await nearness.stop()


async def test_a_text_longer_than_the_model_can_take_is_cut(tmp_path: Path) -> None:
    async with near(write_embedder(tmp_path / "tiny.gguf", context=32)) as nearness:
        begins = Article("begins", "Q" * 30 + "x" * 900, "")
        await nearness.follow([begins, VPN])
        assert (await nearness.nearest("QQ" + "." * 3000))[0] == "begins"


async def test_without_numpy_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "engine.knowledge.embedding", None)
    nearness = Nearness(KnowledgeSettings(embeddings=write_embedder(tmp_path / "tiny.gguf")))
    await nearness.start()
    assert not await nearness.follow(SHELF)
    assert (nearness.ok, await nearness.nearest("VPN")) == (False, ())
    assert "pip install 'watchstander[model]'" in nearness.detail
    await nearness.stop()


def test_an_article_is_cut_into_whole_sentences() -> None:
    body = " ".join(f"Sentence number {number} of this long text." for number in range(100))
    title, asked, *passages = texts_of(Article("a", "T", body, ("Q?", "Q?")))
    assert (title, asked) == ("T", "Q?")
    assert " ".join(passage.removeprefix("T\n") for passage in passages) == body
    assert all(len(passage) <= 402 for passage in passages)
    assert texts_of(Article("a", "", "", ())) == []
    assert len(texts_of(Article("a", "t", "壞。" * 100_000, ("q",) * 500))) <= 2 + 61


async def test_ten_thousand_articles_stay_within_their_room(tmp_path: Path) -> None:
    """The model is asked as long as there is room; the others are found by words alone."""
    shelf = [Article(str(number), f"{number:05}", "") for number in range(10_000)]
    settings = KnowledgeSettings(embeddings=write_embedder(tmp_path / "tiny.gguf"), embed_s=5.0)
    nearness = Nearness(settings, most_bytes=500 * 320 * 4)
    await nearness.start(20)
    began = time.monotonic()
    assert await nearness.follow(shelf)
    assert time.monotonic() - began < 60
    assert "500 of 10000 articles, 9500 by words alone" in nearness.detail
    assert len(await nearness.nearest("00042")) == 10
    await nearness.stop()


async def test_the_running_bot_uses_it_and_shows_how_it_is(tmp_path: Path) -> None:
    path = write_embedder(tmp_path / "tiny.gguf", ALIKE)
    table = f'[model]\nshipped = false\n[knowledge]\nembeddings = "{path}"\nembed_s = 5.0\n'
    async with Stage(tmp_path, "called", table) as stage:
        db, nearness = stage.app.db, stage.app.knowledge.nearness
        assert nearness is not None
        async with db.write() as tx:
            for title, body in ((GATE.title, GATE.body), (VPN.title, VPN.body)):
                kind = {"kind": Kind.ARTICLE, "language": "en", "actor": WATCHSTANDER}
                made = await articles.create(tx, title=title, body=body, **kind)
                assert made is not None
                await articles.move(tx, made, ArticleMove.PUBLISH, WATCHSTANDER)
        await until(lambda: nearness.detail.endswith("loaded; 2 of 2 articles"))
        headers = await stage.bearer("min")
        found = await stage.http.get("/api/kb/search", params={"q": "zzz"}, headers=headers)
        assert [each["title"] for each in found.json()["found"]][:1] == [GATE.title]
        assert found.json()["confidence"] == 0
        ready = await stage.http.get("/readyz")
        check = ready.json()["checks"]["knowledge: embeddings"]
        assert check["detail"].endswith("loaded; 2 of 2 articles")
        links = {say(link.name, "en"): link for link in stage.app.services.links()}
        assert links["knowledge: embeddings"].ok and not links["knowledge: embeddings"].needed
        path.write_text("no model any more")
        killed(nearness)
        await until(lambda: "not a GGUF file" in nearness.detail)
        found = await stage.http.get("/api/kb/search", params={"q": "VPN"}, headers=headers)
        assert [each["title"] for each in found.json()["found"]] == [VPN.title]
        assert (await stage.http.get("/readyz")).status_code == 200, "a help, not a need"
