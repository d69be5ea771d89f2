"""Search over articles beside SQLite's FTS5 trigram index, and how far its confidence is right.

First the DRCD paragraphs of the measuring set, where it is there: all of them for the search, a
random half of them for the confidence, so that half of the questions have no answer.  Then our own
help desk questions in three languages, a third to a half of which have none.
"""

from __future__ import annotations

import json
import math
import random
import re
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine.knowledge.articles import Article
from engine.knowledge.search import Search
from tests.unit.knowledge.figures import Outcome, figures
from tests.unit.knowledge.texts import LANGUAGES, MEASURED, Asked, late, read, unseen

DRCD = Path(__file__).parents[3] / "shared" / "data" / "kb" / "drcd_dev.zh-TW.json"
DEPTH = 10
SEEDS = range(5)

Pairs = list[tuple[str, str]]


def measure() -> dict[str, Any]:
    """The figures of both; those of DRCD are empty where its file is not there."""
    found: dict[str, Any] = {"drcd": {}, "help_desk": help_desk()}
    if DRCD.is_file():
        articles, pairs = drcd()
        search = Search(articles)
        found["drcd"] = {
            "ours": _ranked(
                lambda text: [f.article.key for f in search.ask(text, DEPTH).found], pairs
            ),
            "fts5": _ranked(_fts5(articles), pairs),
            "selective": _selective(articles, pairs),
        }
    return found


def drcd() -> tuple[list[Article], Pairs]:
    """Paragraphs with the title of their page, and each question with its paragraph."""
    articles: list[Article] = []
    pairs: Pairs = []
    for page in json.loads(DRCD.read_text(encoding="utf-8"))["data"]:
        for part in page["paragraphs"]:
            articles.append(Article(part["id"], page["title"], part["context"]))
            pairs += [(question["question"], part["id"]) for question in part["qas"]]
    return articles, pairs


def help_desk() -> dict[str, dict[str, float]]:
    """Our own questions by set and language; those of ``unseen`` and ``late`` share no word."""
    found = {}
    for kind in MEASURED:
        for language in LANGUAGES:
            texts = read(kind, language)
            found[f"{kind} {language}"] = _answered(Search(texts.articles), texts.questions)
    for language in LANGUAGES:
        search = Search(read("measure", language).articles)
        found[f"unseen {language}"] = _answered(search, unseen(language))
    for language in LANGUAGES:
        articles, questions = late(language)
        found[f"late {language}"] = _answered(Search(articles), questions)
    return found


def _answered(search: Search, questions: Sequence[Asked]) -> dict[str, float]:
    outcomes = [_outcome(search, each.text, each.key, each.key is not None) for each in questions]
    hard = [
        each.right
        for each, question in zip(outcomes, questions, strict=True)
        if question.other_words
    ]
    return {**figures(outcomes), "first_other_words": sum(hard) / len(hard)}


def _outcome(search: Search, text: str, key: str | None, answerable: bool) -> Outcome:
    answer = search.ask(text)
    right = answerable and answer.best is not None and answer.best.key == key
    return Outcome(answer.confidence, right, answerable)


def _selective(articles: list[Article], pairs: Pairs) -> dict[str, float]:
    """The mean over some random halves."""
    rounds = []
    for seed in SEEDS:
        kept = random.Random(seed).sample(articles, len(articles) // 2)
        keys = {article.key for article in kept}
        search = Search(kept)
        rounds.append(figures([_outcome(search, text, key, key in keys) for text, key in pairs]))
    return {name: statistics.mean(each[name] for each in rounds) for name in rounds[0]}


def _ranked(ask: Callable[[str], list[str]], pairs: Pairs) -> dict[str, float]:
    spent, first, gain = [], 0, 0.0
    for text, key in pairs:
        start = time.perf_counter()
        keys = ask(text)
        spent.append((time.perf_counter() - start) * 1000)
        first += keys[:1] == [key]
        gain += 1 / math.log2(keys.index(key) + 2) if key in keys else 0.0
    return {
        "first": first / len(pairs),
        "ndcg10": gain / len(pairs),
        "per_second": 1000 / statistics.mean(spent),
        "p50_ms": statistics.median(spent),
        "p99_ms": statistics.quantiles(spent, n=100)[98],
    }


def _fts5(articles: list[Article]) -> Callable[[str], list[str]]:
    """The peer: any three characters of the question, by BM25."""
    store = sqlite3.connect(":memory:")
    store.execute("CREATE VIRTUAL TABLE a USING fts5(id UNINDEXED, title, body, tokenize=trigram)")
    rows = [(article.key, article.title, article.body) for article in articles]
    store.executemany("INSERT INTO a VALUES (?, ?, ?)", rows)

    def ask(text: str) -> list[str]:
        run = "".join(re.findall(r"\w", text))
        words = [f'"{run[at : at + 3]}"' for at in range(len(run) - 2)]
        query = "SELECT id FROM a WHERE a MATCH ? ORDER BY rank LIMIT ?"
        return [row[0] for row in store.execute(query, (" OR ".join(words), DEPTH))]

    return ask


def table(found: dict[str, Any]) -> None:
    """The figures as people read them."""
    if found["drcd"]:
        print("\nSearch, DRCD dev (zh-TW), all paragraphs")
        print(f"{'':14}{'R@1':>10}{'nDCG@10':>10}{'q/s':>10}{'p50 ms':>10}{'p99 ms':>10}")
        for name in ("ours", "fts5"):
            row = found["drcd"][name]
            quality = f"{row['first']:>10.3f}{row['ndcg10']:>10.3f}{row['per_second']:>10.0f}"
            print(f"{name:14}{quality}{row['p50_ms']:>10.2f}{row['p99_ms']:>10.2f}")
    print("\nAnswers at confidence 0.75 or above; a third to a half of the questions have none")
    heads = ("precision", "coverage", "recall", "R@1", "ECE")
    print(f"{'':14}{''.join(f'{head:>10}' for head in heads)}{'other words':>13}")
    rows = dict(found["help_desk"])
    if found["drcd"]:
        rows["DRCD, half"] = found["drcd"]["selective"]
    for name, row in rows.items():
        names = ("precision", "coverage", "recall", "first", "ece")
        shares = "".join(f"{row[each]:>10.3f}" for each in names)
        other = f"{row['first_other_words']:>13.3f}" if "first_other_words" in row else ""
        print(f"{name:14}{shares}{other}")


if __name__ == "__main__":
    table(measure())
    sys.exit(0)
