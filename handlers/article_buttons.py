"""What the buttons of an article's review card and of an answer do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from engine.errors import GiveUp, Why
from engine.knowledge import answering, shelf
from handlers import reasons
from handlers.commands.call import Call
from prompts.texts import text
from storage import articles, requests
from storage.articles import Article
from storage.buttons import ButtonRow


async def _publish(call: Call, button: ButtonRow) -> None:
    article = await _article(call, button)
    seen = int(button.payload["version"])
    done = await shelf.publish(call.tx, call.person, article, seen)
    await call.whisper(text("kb_published", key=done.key))


async def _reject(call: Call, button: ButtonRow) -> None:
    article = await _article(call, button)
    question = text("kb_ask_reject_reason", key=article.key)
    if await reasons.asked_first(call, question, text("kb_reject_by_command", key=article.key)):
        return
    seen = int(button.payload["version"])
    done = await shelf.reject(call.tx, call.person, article, reasons.given(call), seen)
    await call.whisper(text("kb_rejected", key=done.key))


async def _edit(call: Call, button: ButtonRow) -> None:
    article = await _article(call, button)
    await call.whisper(text("kb_how_to_edit", key=article.key))


async def _solved(call: Call, button: ButtonRow) -> None:
    await _vote(call, button, solved=True)


async def _unsolved(call: Call, button: ButtonRow) -> None:
    await _vote(call, button, solved=False)


async def _vote(call: Call, button: ButtonRow, *, solved: bool) -> None:
    number = int(button.payload["answer"])
    desk = call.services.desk
    answer = await answering.vote(call.tx, desk, call.person, number, solved=solved)
    request = await requests.by_id(call.tx, answer.request_id) if answer.request_id else None
    # Refused since, or closed again: then it is not open, and nobody is told that it is.
    again = not solved and request is not None and request.live
    await call.whisper(text("kb_reopened" if again else "kb_thanks", key=answer.article))


async def _article(call: Call, button: ButtonRow) -> Article:
    found = await articles.by_id(call.tx, int(button.payload["article"]))
    if found is None:
        raise GiveUp(Why.MISSING, text("button_unknown"))
    return found


VERBS: Mapping[str, Callable[[Call, ButtonRow], Awaitable[None]]] = {
    "kb_publish": _publish,
    "kb_reject": _reject,
    "kb_edit": _edit,
    "kb_solved": _solved,
    "kb_unsolved": _unsolved,
}
