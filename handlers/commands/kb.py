"""/kb: what the team knows: searching it, writing it down, and reviewing what was drafted."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping

from engine.errors import GiveUp, Why
from engine.knowledge import shelf
from engine.knowledge.library import Asked
from engine.requests.words import quoted
from handlers.article_card import article_line, article_reply, shown_words, view
from handlers.commands.arguments import head, none_left, title_and_body
from handlers.commands.call import Call, Command
from handlers.replies import Reply
from prompts.texts import Text, text
from storage import articles, cards
from storage.articles import Article
from storage.lifecycle import ArticleState

USAGE = (
    "/kb search WORDS | show KEY | new TITLE | BODY | edit KEY title|body|questions: … | "
    "review | publish KEY | reject KEY [reason] | retire KEY [reason]"
)
_SHOWN = 15
_CARDS = 5
_PASSAGE = 300
_WARNINGS = 2
_EDIT = re.compile(r"(\w+)\s*[:：]\s*(.*)", re.DOTALL)
_FIELDS = {
    "제목": "title",
    "본문": "body",
    "내용": "body",
    "질문": "questions",
    "標題": "title",
    "內容": "body",
    "問題": "questions",
}


async def run(call: Call) -> None:
    verb, rest = head(call.arguments)
    act = _VERBS.get(verb.lower() or "review")
    if act is None:
        raise GiveUp(Why.INVALID, text("argument_extra", given=quoted(verb), usage=USAGE))
    await act(call, rest)


async def _search(call: Call, rest: str) -> None:
    if not rest:
        raise GiveUp(Why.INVALID, text("sr_needs_more", usage="/kb search WORDS"))
    if call.found is None:
        raise GiveUp(Why.CONFLICT, text("kb_not_ready"))
    lines = _found(call.found)
    title = text("kb_search_title", asked=quoted(rest))
    await call.whisper(Reply(title=title, lines=lines or (text("kb_found_none"),)))


def _found(asked: Asked) -> tuple[Text, ...]:
    lines = []
    for place, each in enumerate(asked.answer.found):
        lines.append(
            text(
                "kb_found",
                key=each.article.key,
                title=each.article.title,
                percent=round(asked.answer.confidence * 100) if place == 0 else None,
                passage=_short(each.passage),
            )
        )
    for each in asked.warning.found[:_WARNINGS]:
        lines.append(text("kb_found_warning", key=each.article.key, title=each.article.title))
    return tuple(lines)


async def _show(call: Call, rest: str) -> None:
    article = await shelf.find(call.tx, _only_key(rest, "/kb show KEY"))
    if article.state is ArticleState.DRAFT:
        await cards.place(call.tx, article.subject, call.room.id)
    await call.whisper(article_reply(await view(call.tx, article)))


async def _new(call: Call, rest: str) -> None:
    title, body = title_and_body(rest)
    if not title or not body.strip():
        raise GiveUp(Why.INVALID, text("sr_needs_more", usage="/kb new TITLE | BODY"))
    made = await shelf.draft(call.tx, call.person, title, body, call.room.id)
    await call.whisper(text("kb_drafted", key=made.key))


async def _edit(call: Call, rest: str) -> None:
    usage = "/kb edit KEY title|body|questions: …"
    typed, said = head(rest)
    parts = _EDIT.fullmatch(said)
    if parts is None:
        raise GiveUp(Why.INVALID, text("sr_needs_more", usage=usage))
    field = _FIELDS.get(parts[1], parts[1].lower())
    article = await shelf.find(call.tx, typed)
    done = await shelf.edit(call.tx, call.person, article, field, parts[2])
    again = article.state is not ArticleState.DRAFT
    await call.whisper(text("kb_edited", key=done.key, again=again))


async def _review(call: Call, rest: str) -> None:
    none_left(rest, "/kb review")
    drafts = await articles.listing(call.tx, _SHOWN, states=[ArticleState.DRAFT])
    counts = await articles.counts(call.tx)
    note = text(
        "kb_counts", drafts=counts[ArticleState.DRAFT], published=counts[ArticleState.PUBLISHED]
    )
    for article in drafts[:_CARDS]:
        await cards.place(call.tx, article.subject, call.room.id)
    lines: tuple[Text, ...] = tuple(article_line(article) for article in drafts)
    title = text("kb_review_title")
    await call.whisper(Reply(title=title, lines=lines or (text("kb_review_none"),), note=note))


async def _publish(call: Call, rest: str) -> None:
    article = await shelf.find(call.tx, _only_key(rest, "/kb publish KEY"))
    done = await shelf.publish(call.tx, call.person, article)
    await call.whisper(text("kb_published", key=done.key))


async def _reject(call: Call, rest: str) -> None:
    article, reason = await _key_and_reason(call, rest, "/kb reject KEY [reason]")
    done = await shelf.reject(call.tx, call.person, article, reason)
    await call.whisper(text("kb_rejected", key=done.key))


async def _retire(call: Call, rest: str) -> None:
    article, reason = await _key_and_reason(call, rest, "/kb retire KEY [reason]")
    done = await shelf.retire(call.tx, call.person, article, reason)
    await call.whisper(text("kb_retired", key=done.key))


async def _key_and_reason(call: Call, rest: str, usage: str) -> tuple[Article, str]:
    typed, reason = head(rest)
    if not typed:
        raise GiveUp(Why.INVALID, text("sr_needs_more", usage=usage))
    return await shelf.find(call.tx, typed), reason


def _only_key(rest: str, usage: str) -> str:
    typed, more = head(rest)
    if not typed:
        raise GiveUp(Why.INVALID, text("sr_needs_more", usage=usage))
    none_left(more, usage)
    return typed


def _short(passage: str) -> str:
    line = " ".join(shown_words(passage).split())
    return line if len(line) <= _PASSAGE else line[: _PASSAGE - 1] + "…"


def _searches(arguments: str) -> str:
    verb, rest = head(arguments)
    return rest if _VERBS.get(verb.lower()) is _search else ""


def _meant(said: str) -> bool:
    """ "지식 공유 좀" is talk; "지식 검색 VPN" is a command."""
    return head(said)[0].lower() in {"", *_VERBS}


_VERBS: Mapping[str, Callable[[Call, str], Awaitable[None]]] = {
    "search": _search,
    "show": _show,
    "new": _new,
    "edit": _edit,
    "review": _review,
    "publish": _publish,
    "reject": _reject,
    "retire": _retire,
    "검색": _search,
    "조회": _show,
    "작성": _new,
    "수정": _edit,
    "검토": _review,
    "게시": _publish,
    "搜尋": _search,
    "查看": _show,
    "新增": _new,
    "編輯": _edit,
    "審核": _review,
    "發布": _publish,
}

COMMAND = Command("kb", "kb_summary", USAGE, run, searches=_searches, meant=_meant)
