"""/kb in a room: writing, reviewing, publishing, searching, and the buttons of its cards."""

from __future__ import annotations

import asyncio

import pytest

from engine.knowledge.library import Asked
from engine.language.classify import Suggestion
from handlers.card import Card
from handlers.commands.kb import USAGE
from prompts.texts import say, text
from storage import articles, people, requests, rooms
from storage.articles import Article
from storage.lifecycle import ArticleState, RequestState
from storage.requests import Request
from tests.unit.handlers.stage import Stage

NEW = "/kb new Resetting the VPN password | Open the portal, choose VPN and press Reset."
KEY = "KB-20261120-0001"
REQUEST = "SR-20261120-0001"
ASKED = "How do I reset my VPN password?"


async def article(stage: Stage, number: int = 1) -> Article:
    async with stage.db.read() as tx:
        return await articles.must(tx, number)


def shown(stage: Stage, key: str = KEY) -> Card:
    """The review card as the room sees it now."""
    (found,) = [c for c in stage.platform.shown.values() if c.title.startswith(f"{key} ")]
    return found


async def test_a_draft_is_written_reviewed_published_and_found(stage: Stage) -> None:
    await stage.hears("min", "command", NEW, "kb_drafted", key=KEY)
    draft = await article(stage)
    assert (draft.author, draft.language, draft.state) == ("min", "ko", ArticleState.DRAFT)
    assert draft.body == "Open the portal, choose VPN and press Reset."
    card = shown(stage)
    labels = [say(text(f"button_kb_{verb}"), "en") for verb in ("publish", "reject", "edit")]
    assert [button.label for button in card.buttons] == labels
    answer = await stage.presses("jun", stage.button(card, "kb_publish").token)
    assert answer.text == say(text("kb_published", key=KEY), "zh-TW")
    assert (await article(stage)).reviewer == "jun" and shown(stage).buttons == ()
    await stage.hears("min", "command", "/kb search VPN", "kb_not_ready")
    await stage.services.knowledge.library.refresh()
    found = await stage.whispered("min", "words", "지식 검색 reset the VPN password")
    assert KEY in found.text and "press Reset." in found.text and "%" in found.text
    none = await stage.whispered("min", "command", "/kb search zzzzz")
    assert none.text == say(text("kb_found_none"), "ko")
    book = await stage.whispered("min", "command", f"/kb show {KEY}")
    assert book.title == f"{KEY} Resetting the VPN password"
    # What is no verb of ours is ordinary talk, not a command.
    assert "/kb" not in (await stage.whispered("min", "words", "지식 공유 좀 해주세요")).text


async def test_who_may_decide_about_a_draft(stage: Stage) -> None:
    await stage.does("jun", "command", NEW)
    press = stage.button(shown(stage), "kb_publish").token
    assert (await stage.presses("min", press)).text == say(text("kb_forbidden", name="min"), "ko")
    assert (await stage.presses("jun", press)).text == say(text("kb_own", key=KEY), "zh-TW")
    await stage.hears("jun", "command", "/kb publish 1", "kb_own", key=KEY)
    assert (await article(stage)).state is ArticleState.DRAFT
    await stage.hears("ana", "command", "/kb publish 1", "kb_published", key=KEY)
    again = await stage.presses("jun", press)
    assert "ana" not in again.text and (await article(stage)).state is ArticleState.PUBLISHED
    await stage.does("ana", "command", "/kb new Mine | And I am an admin.")
    await stage.hears("ana", "command", "/kb publish 2", "kb_published", key="KB-20261120-0002")
    await stage.hears(
        "robot", "command", NEW, "command_role", usage=USAGE, least=text("role_REQUESTER")
    )


async def test_a_rejection_asks_for_its_reason_where_forms_are(stage: Stage) -> None:
    await stage.does("min", "command", NEW)
    token = stage.button(shown(stage), "kb_reject").token
    before = len(stage.platform.sent)
    await stage.does("jun", "button", button=token, context={"trigger_id": "t"})
    (form,) = [sent for sent in stage.platform.sent[before:] if sent.kind == "form"]
    assert form.card.text == say(text("kb_ask_reject_reason", key=KEY), "zh-TW")
    assert (await article(stage)).state is ArticleState.DRAFT
    await stage.does("jun", "form", "not true any more", button=token)
    assert (await article(stage)).state is ArticleState.REJECTED
    async with stage.db.read() as tx:
        story = await articles.story(tx, 1)
    assert story[-1].detail["reason"] == "not true any more"


async def test_what_was_edited_since_is_not_published_by_the_old_card(stage: Stage) -> None:
    await stage.does("min", "command", NEW)
    old = stage.button(shown(stage), "kb_publish").token
    await stage.does("min", "command", "/kb edit 1 body: Press it twice.")
    assert (await stage.presses("jun", old)).text == say(text("kb_changed", key=KEY), "zh-TW")
    assert shown(stage).text == "Press it twice."
    await stage.does("min", "command", "/kb edit 1 질문: 왜 안 되나요? | 어디서 바꾸나요?")
    assert (await article(stage)).questions == ("왜 안 되나요?", "어디서 바꾸나요?")
    await stage.does("min", "command", "/kb edit 1 questions:\nOne?\n\nTwo?\nOne?")
    assert (await article(stage)).questions == ("One?", "Two?")
    await stage.presses("jun", stage.button(shown(stage), "kb_publish").token)
    assert (await article(stage)).state is ArticleState.PUBLISHED


async def test_a_published_article_that_is_edited_waits_for_its_review_again(stage: Stage) -> None:
    await stage.does("min", "command", NEW)
    await stage.does("jun", "command", "/kb publish 1")
    await stage.hears("min", "command", "/kb edit 1 title: Mine", "kb_forbidden", name="min")
    await stage.hears(
        "jun", "command", "/kb edit 1 title: A better title", "kb_edited", key=KEY, again=True
    )
    now = await article(stage)
    assert (now.state, now.title, now.version) == (ArticleState.DRAFT, "A better title", 2)
    listed = await stage.whispered("ana", "command", "/kb")
    assert "A better title" in listed.text and "1 draft, 0 published" in listed.note
    await stage.does("ana", "command", "/kb publish 1")
    await stage.hears("jun", "command", "/kb retire 1 gone", "kb_retired", key=KEY)
    refused = await stage.whispered("ana", "command", "/kb reject 1")
    assert "retired" in refused.text and "jun" in refused.text


@pytest.mark.parametrize(
    ("line", "key", "values"),
    [
        ("/kb show", "sr_needs_more", {"usage": "/kb show KEY"}),
        ("/kb show pizza", "kb_bad_key", {"typed": "pizza"}),
        ("/kb show SR-20261120-0001", "kb_bad_key", {"typed": "SR-20261120-0001"}),
        ("/kb show 9", "kb_missing", {"key": "KB-20261120-0009"}),
        ("/kb show 1 2", "argument_extra", {"given": "2", "usage": "/kb show KEY"}),
        ("/kb new", "sr_needs_more", {"usage": "/kb new TITLE | BODY"}),
        ("/kb new Only a title", "sr_needs_more", {"usage": "/kb new TITLE | BODY"}),
        (
            "/kb new x | \x07",
            "request_text_control",
            {"field": text("kb_field_body"), "code": "U+0007"},
        ),
        ("/kb search", "sr_needs_more", {"usage": "/kb search WORDS"}),
        ("/kb edit 1", "sr_needs_more", {"usage": "/kb edit KEY title|body|questions: …"}),
        (
            "/kb edit 1 colour: red",
            "kb_bad_field",
            {"given": "colour", "known": "title, body, questions"},
        ),
        ("/kb edit 1 title:", "request_text_empty", {"field": text("kb_field_title")}),
        (
            "/kb edit 1 questions: " + "|".join(f"q{n}" for n in range(21)),
            "kb_many_questions",
            {"count": 21, "limit": 20},
        ),
        ("/kb publish", "sr_needs_more", {"usage": "/kb publish KEY"}),
        ("/kb review all", "argument_extra", {"given": "all", "usage": "/kb review"}),
    ],
)
async def test_what_is_wrong_is_named_and_changes_nothing(
    stage: Stage, line: str, key: str, values: dict[str, object]
) -> None:
    await stage.does("min", "command", NEW)
    before = await article(stage)
    await stage.hears("ana", "command", line, key, **values)
    assert await article(stage) == before


async def test_hostile_words_on_a_card_are_shown_as_they_are(stage: Stage) -> None:
    hostile = "<!channel> {{ 7*7 }} *bold* [x](http://e.example)"
    await stage.does("min", "command", f"/kb new {hostile} | {hostile}")
    assert shown(stage).title == f"{KEY} {hostile}" and shown(stage).text == hostile


async def test_a_search_waits_in_no_transaction(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question may take long to search for; meanwhile others write."""
    library = stage.services.knowledge.library
    await library.refresh()
    ask = library.ask

    async def writes_meanwhile(question: str, most: int = 3) -> Asked | None:
        async with asyncio.timeout(5), stage.db.write() as tx:
            tx.wake("nothing")
        return await ask(question, most)

    monkeypatch.setattr(library, "ask", writes_meanwhile)
    await stage.hears("min", "command", "/kb search VPN", "kb_found_none")
    await stage.hears("min", "command", "/ws kb 검색 VPN", "kb_found_none")


async def test_hostile_words_that_are_found_are_shown_as_they_are(stage: Stage) -> None:
    hostile = "VPN <!channel> {{ 7*7 }} <a href='http://e.example'>x</a>"
    await stage.does("ana", "command", f"/kb new {hostile} | {hostile}")
    await stage.does("ana", "command", "/kb publish 1")
    await stage.services.knowledge.library.refresh()
    found = await stage.whispered("min", "command", "/kb search VPN")
    assert found.text.count(hostile) == 2 and found.buttons == ()


async def answered(stage: Stage) -> Card:
    """Min asks, the library answers; its card."""
    await stage.does("ana", "command", f"/kb new {ASKED} | Open the portal and press Reset.")
    await stage.does("ana", "command", f"/kb edit 1 questions: {ASKED}")
    await stage.does("ana", "command", "/kb publish 1")
    async with stage.db.write() as tx:
        person = await people.by_name(tx, "min")
        (room,) = await rooms.with_cards(tx)
        assert person is not None
        inquiry = Suggestion("INQUIRY", "LOW", (), "model", 0.9)
        desk = stage.services.desk
        await desk.create(tx, person, ASKED, suggestion=inquiry, room_id=room.id)
    assert await stage.services.knowledge.answer() == 1
    await stage.settled()
    return shown(stage, REQUEST)


async def request(stage: Stage) -> Request:
    async with stage.db.read() as tx:
        found = await requests.by_key(tx, REQUEST)
    assert found is not None
    return found


async def test_weeks_later_it_is_still_opened_again(stage: Stage) -> None:
    card = await answered(stage)
    stage.clock.forward(minutes=30 * 24 * 60)
    said = await stage.presses("min", stage.button(card, "kb_unsolved").token)
    assert said.text == say(text("kb_reopened", key=KEY), "ko")
    assert (await request(stage)).live


async def test_a_button_that_is_too_old_says_what_to_do_instead(stage: Stage) -> None:
    card = await answered(stage)
    stage.clock.forward(minutes=91 * 24 * 60)
    said = await stage.presses("min", stage.button(card, "kb_unsolved").token)
    assert said.text == say(text("kb_button_expired"), "ko") and "/sr reopen" in said.text
    await stage.does("min", "command", f"/sr reopen {REQUEST}")
    assert (await request(stage)).live


async def test_nobody_is_told_that_a_refused_request_is_open(stage: Stage) -> None:
    card = await answered(stage)
    await stage.does("min", "command", f"/sr reopen {REQUEST}")
    await stage.does("jun", "command", f"/sr reject {REQUEST} no")
    said = await stage.presses("min", stage.button(card, "kb_unsolved").token)
    assert said.text == say(text("kb_thanks", key=KEY), "ko")
    assert (await request(stage)).state is RequestState.REJECTED
    again = await stage.presses("min", stage.button(card, "kb_unsolved").token)
    assert again.text == say(text("kb_said_already", key=REQUEST), "ko")
