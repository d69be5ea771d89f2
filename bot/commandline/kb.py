"""``watchstander kb ask``: which article answers a question, and how sure that is."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

    from engine.knowledge.articles import Article
    from engine.knowledge.nearness import Nearness
    from engine.knowledge.search import Search


def add(commands: Any) -> None:
    """Declare the sub-command."""
    parser = commands.add_parser("kb", help="ask articles, as JSON")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    ask = actions.add_parser("ask", help="the best article for each question, and how sure")
    ask.add_argument(
        "--articles",
        type=Path,
        required=True,
        metavar="FILE",
        help='a JSON list of {"id","title","body"}, each with "questions" if it has likely ones',
    )
    ask.add_argument(
        "--jsonl",
        type=Path,
        required=True,
        metavar="FILE",
        help='one {"q"} a line, one answer a line; - is standard input',
    )
    ask.add_argument(
        "--embeddings",
        type=Path,
        metavar="FILE",
        help="a GGUF of an embedding model that finds articles too, however long it takes",
    )
    ask.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Answer each line as soon as it is read: 0, or 1 when a line could not be used."""
    import asyncio

    from bot.commandline.output import Failure, leave
    from bot.commandline.parse_lines import opened
    from engine.knowledge.articles import ArticlesError, load_articles
    from engine.knowledge.search import Search

    try:
        articles = load_articles(args.articles)
    except ArticlesError as error:
        raise Failure(*error.problems) from None
    try:
        with opened(args.jsonl) as file:
            if args.embeddings is None:
                return _answered(args.jsonl, file, Search(articles))
            with asyncio.Runner() as runner:
                return _answered_nearer(args, file, articles, runner)
    except BrokenPipeError:
        return leave()


def _answered_nearer(
    args: argparse.Namespace, file: IO[bytes], articles: list[Article], runner: asyncio.Runner
) -> int:
    """With an embedding model, which is loaded here and ended again."""
    from bot.commandline.output import remark
    from engine.knowledge.nearness import Nearness
    from engine.knowledge.search import Search
    from engine.knowledge.settings import KnowledgeSettings

    nearness = Nearness(KnowledgeSettings(embeddings=args.embeddings))
    try:
        runner.run(_loaded(nearness, articles))
        status = _answered(
            args.jsonl,
            file,
            Search(articles),
            lambda question: runner.run(nearness.nearest(question, patient=True)),
        )
        if not nearness.ok:
            remark(f"embeddings: {nearness.detail}; what came behind was found by words alone")
        return status if nearness.ok else 1
    finally:
        runner.run(nearness.stop())


async def _loaded(nearness: Nearness, articles: list[Article]) -> None:
    """Every article's vectors. Raises Failure with what is wrong with the model."""
    from bot.commandline.output import Failure, remark
    from engine.language.model import LOAD_LIMIT_S

    await nearness.start(LOAD_LIMIT_S)
    if not await nearness.follow(articles):
        raise Failure(nearness.detail.replace("[knowledge] embeddings", "--embeddings"))
    remark(f"embeddings: {nearness.detail}")


def _answered(
    path: Path,
    file: IO[bytes],
    search: Search,
    near: Callable[[str], Sequence[str]] = lambda _: (),
) -> int:
    from bot.commandline.output import Failure, as_json, remark, result
    from bot.commandline.parse_lines import lines

    bad = answered = 0
    for line in lines(file, "q"):
        if line.problem:
            bad += 1
            result(as_json({"line": line.number, "error": line.problem}))
            continue
        answered += 1
        start = time.perf_counter()
        answer = search.ask(line.text, near=near(line.text))
        spent = (time.perf_counter() - start) * 1000
        result(
            as_json(
                {
                    "id": answer.best.key if answer.best else None,
                    "confidence": round(answer.confidence, 4),
                    "ms": round(spent, 3),
                }
            )
        )
    if not bad and not answered:
        raise Failure(f'{path}: holds no question; write one {{"q": "…"}} a line')
    if bad:
        remark(f"{path}: {bad} of {bad + answered} lines could not be used; see their error")
    return 1 if bad else 0
