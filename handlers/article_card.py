"""Articles and answers as people see them: the review card, an answer to a request, and lines."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from engine.knowledge.shelf import kind_text, state_text
from handlers.card import Button, Card, Field, Tone
from handlers.replies import Reply
from prompts.texts import Text, say, text
from storage import answers, attempts, incidents, requests, runbooks
from storage.answers import Answer
from storage.articles import Article, Kind
from storage.database import Transaction
from storage.lifecycle import ArticleState

_TONES = {
    ArticleState.DRAFT: Tone.WAITING,
    ArticleState.PUBLISHED: Tone.GOOD,
    ArticleState.REJECTED: Tone.BAD,
    ArticleState.RETIRED: Tone.PLAIN,
}
#: Verb, style, asks for a reason. The label is the message ``button_<verb>``.
_REVIEW = (
    ("kb_publish", "good", False),
    ("kb_reject", "danger", True),
    ("kb_edit", "plain", False),
)
_VOTES = (("kb_solved", "good", False), ("kb_unsolved", "plain", False))
_SHOWN_BODY = 2_500
_SHOWN_QUESTION = 300

#: ``##`` and deeper. A single # stays: in a runbook it is a shell's comment or root's prompt.
_HEADING = re.compile(r"#{2,6}[ \t]+(.*?)[ \t]*#*[ \t]*")
_FENCE = re.compile(r"[ ]{0,3}(```|~~~)")


@dataclass(frozen=True)
class ArticleView:
    """An article, and what the rows beside it say."""

    article: Article
    origin: str
    """Key of the request or incident that it was written of; "" = a person's own."""
    given: int
    """How often it was an answer."""
    came_back: int
    """Incidents with its symptom since it was published."""


async def view(tx: Transaction, article: Article) -> ArticleView:
    """Read what the card needs."""
    return ArticleView(
        article,
        await _origin(tx, article),
        await answers.given(tx, article.id),
        await runbooks.came_back(tx, article),
    )


async def _origin(tx: Transaction, article: Article) -> str:
    kind, _, number = (article.origin or "").partition(":")
    if kind == "request":
        request = await requests.by_id(tx, int(number))
        return request.key if request else ""
    if kind == "attempt":
        attempt = await attempts.by_id(tx, int(number))
        incident = await incidents.by_id(tx, attempt.incident_id) if attempt else None
        return incident.key if incident else ""
    return ""


def verbs(article: Article) -> list[str]:
    """The buttons that its card has now."""
    review = _REVIEW if article.state is ArticleState.DRAFT else ()
    return [verb for verb, _, _ in review]


def article_card(shown: ArticleView, language: str, tokens: Mapping[str, str]) -> Card:
    """The review card in a language; ``tokens`` maps each of ``verbs`` to its token."""
    return _card(article_reply(shown), language, _buttons(_REVIEW, language, tokens))


def article_reply(shown: ArticleView) -> Reply:
    """Everything about an article, as an answer."""
    article = shown.article
    warning = article.kind is Kind.ANTI_PATTERN and article.state is ArticleState.PUBLISHED
    return Reply(
        title=f"{article.key} {article.title}",
        text=_cut(shown_words(article.body), _SHOWN_BODY),
        tone=Tone.WARNING if warning else _TONES[article.state],
        fields=_fields(shown),
        note=text("kb_card_note", key=article.key, version=article.version),
    )


def shown_words(raw: str) -> str:
    """An article's words for a room without Markdown: headings and quoted lines get a plain mark.

    Words of a host that stand quoted keep a mark of their own, so that none looks like a heading.
    """
    lines, inside = [], ""
    for line in raw.split("\n"):
        fence = _FENCE.match(line)
        if fence and inside in ("", fence[1]):
            inside = "" if inside else fence[1]
        lines.append(line if inside or fence else _shown_line(line))
    return "\n".join(lines)


def _shown_line(line: str) -> str:
    heading = _HEADING.fullmatch(line)
    if heading and heading[1]:
        return f"■ {heading[1]}"
    return f"│ {line[2:]}" if line.startswith("> ") else line


def article_line(article: Article) -> Text:
    """An article in one line of a list."""
    return text(
        "kb_line",
        key=article.key,
        kind=kind_text(article),
        state=state_text(article),
        title=article.title,
    )


@dataclass(frozen=True)
class AnswerView:
    """An answer, and the request that it completed."""

    answer: Answer
    request: str
    """Its key."""
    title: str


async def answer_view(tx: Transaction, answer: Answer) -> AnswerView:
    """Read what the card needs."""
    request = await requests.by_id(tx, answer.request_id) if answer.request_id else None
    key, title = (request.key, request.title) if request else ("", answer.question)
    return AnswerView(answer, key, title)


def answer_verbs(answer: Answer) -> list[str]:
    """The buttons that an answer has now."""
    return [verb for verb, _, _ in _VOTES] if answer.solved is None else []


def answer_card(shown: AnswerView, language: str, tokens: Mapping[str, str]) -> Card:
    """The answer with the words that it quotes; ``tokens`` as for ``article_card``."""
    answer = shown.answer
    tone = {None: Tone.PLAIN, True: Tone.GOOD, False: Tone.WARNING}[answer.solved]
    note = {None: "kb_answer_note", True: "kb_answer_solved", False: "kb_answer_unsolved"}
    reply = Reply(
        title=f"{shown.request} {_cut(shown.title, _SHOWN_QUESTION)}",
        text=text("kb_quote", passage=shown_words(answer.passage), key=answer.article),
        tone=tone,
        fields=(
            (text("kb_field_article"), f"{answer.article} {answer.title}"),
            (text("kb_field_confidence"), f"{answer.confidence:.0%}"),
        ),
        note=text(note[answer.solved], request=shown.request),
    )
    return _card(reply, language, _buttons(_VOTES, language, tokens))


def _fields(shown: ArticleView) -> tuple[tuple[Text | str, Text | str], ...]:
    article = shown.article
    fields: list[tuple[Text | str, Text | str]] = [
        (text("kb_field_kind"), kind_text(article)),
        (text("field_state"), state_text(article)),
        (text("kb_field_author"), article.author or text("request_watchstander")),
    ]
    if shown.origin:
        fields.append((text("kb_field_origin"), shown.origin))
    if article.questions:
        fields.append((text("kb_field_questions"), "\n".join(article.questions)))
    if article.reviewer and article.state is not ArticleState.DRAFT:
        fields.append((text("kb_field_reviewer"), article.reviewer))
    if shown.given:
        fields.append((text("kb_field_use"), _use(shown)))
    if shown.came_back:
        fields.append(
            (text("kb_field_came_back"), text("kb_came_back_times", count=shown.came_back))
        )
    return tuple(fields)


def _use(shown: ArticleView) -> Text:
    article = shown.article
    share = effectiveness(article)
    return text(
        "kb_used",
        count=shown.given,
        solved=article.solved,
        unsolved=article.unsolved,
        percent=None if share is None else round(share * 100),
    )


def effectiveness(article: Article) -> float | None:
    """The share of the people who said so whom it helped, 0 to 1; None while nobody has."""
    said = article.solved + article.unsolved
    return article.solved / said if said else None


def _card(reply: Reply, language: str, buttons: tuple[Button, ...]) -> Card:
    speak = partial(say, language=language)
    return Card(
        title=speak(reply.title),
        text=speak(reply.text),
        tone=reply.tone,
        fields=tuple(Field(speak(label), speak(value)) for label, value in reply.fields),
        note=speak(reply.note),
        buttons=buttons,
    )


def _buttons(
    every: Sequence[tuple[str, str, bool]], language: str, tokens: Mapping[str, str]
) -> tuple[Button, ...]:
    return tuple(
        Button(say(text(f"button_{verb}"), language), tokens[verb], style, wants_reason)
        for verb, style, wants_reason in every
        if verb in tokens
    )


def _cut(raw: str, limit: int) -> str:
    return raw if len(raw) <= limit else raw[: limit - 1] + "…"
