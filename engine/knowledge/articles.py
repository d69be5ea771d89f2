"""What is searched: articles, read from a file or made by the caller."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LONGEST_FILE = 256 * 1024 * 1024
"""Bytes of a file of articles; a longer one is refused unread."""
MOST_PROBLEMS = 20
_EXAMPLE = '[{"id": "vpn-1", "title": "…", "body": "…"}]'


class ArticlesError(Exception):
    """The articles cannot be used. ``problems`` say what, where and the mend, one a line."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Article:
    """One article, in any of the languages. ``key`` is its id in the words of whoever wrote it.

    ``questions``: likely questions that it answers, written when it was reviewed; they find the
    article and make an answer surer, and are never quoted.
    """

    key: str
    title: str
    body: str
    questions: tuple[str, ...] = ()


def load_articles(path: Path) -> list[Article]:
    """The articles of a JSON file, in their order. Raises ArticlesError with every problem."""
    found = _parsed(path)
    if not isinstance(found, list):
        raise ArticlesError(f"{path}: is not a list; write {_EXAMPLE}")
    if not found:
        raise ArticlesError(f"{path}: holds no article; write {_EXAMPLE}")
    problems = [f"{path}: {problem}" for problem in _problems(found)]
    if problems:
        left = len(problems) - MOST_PROBLEMS
        more = [f"{path}: and {left} more problems"] if left > 0 else []
        raise ArticlesError(*problems[:MOST_PROBLEMS], *more)
    return [
        Article(_key(each), each["title"], each["body"], tuple(each.get("questions", ())))
        for each in found
    ]


def _parsed(path: Path) -> Any:
    try:
        if path.is_file() and path.stat().st_size > LONGEST_FILE:
            raise ArticlesError(f"{path}: is longer than {LONGEST_FILE} bytes; split it")
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ArticlesError(f"{path}: no such file; mend the path") from None
    except IsADirectoryError:
        raise ArticlesError(f"{path}: is a folder; name a file in it") from None
    except OSError as error:
        raise ArticlesError(f"{path}: {error.strerror}; mend the path") from None
    except UnicodeDecodeError:
        raise ArticlesError(f"{path}: is not UTF-8; save the file as UTF-8") from None
    except (ValueError, RecursionError):
        raise ArticlesError(f"{path}: is not JSON; write {_EXAMPLE}") from None


def _problems(found: list[Any]) -> Iterator[str]:
    seen: set[str] = set()
    for number, each in enumerate(found, 1):
        where = f"article {number}"
        if not isinstance(each, dict):
            yield f"{where}: is not an object; write {_EXAMPLE}"
            continue
        missing = [name for name in ("id", "title", "body") if name not in each]
        if missing:
            yield f"{where}: has no {' and no '.join(missing)}; add it"
            continue
        yield from (
            f'{where}: its "{name}" is not a text; write it in quotes'
            for name in ("title", "body")
            if not isinstance(each[name], str)
        )
        asked = each.get("questions", [])
        if not isinstance(asked, list) or not all(isinstance(one, str) for one in asked):
            yield f'{where}: its "questions" are not a list of texts; write ["…", "…"]'
        if isinstance(each["id"], bool) or not isinstance(each["id"], str | int):
            yield f'{where}: its "id" is neither a text nor a whole number'
        elif not _key(each):
            yield f'{where}: its "id" is empty; give it one'
        elif _key(each) in seen:
            yield f'{where}: its "id" {_key(each)[:60]!r} occurs twice; give each its own'
        else:
            seen.add(_key(each))


def _key(each: dict[str, Any]) -> str:
    return str(each["id"])
