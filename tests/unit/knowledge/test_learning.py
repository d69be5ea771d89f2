"""Repairs become articles: once, with facts from the rows, and never in the repair's way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.knowledge import learning as learning_module
from engine.knowledge.learning import MOST_TRIES, Learning
from engine.knowledge.runbook import SECTIONS
from engine.knowledge.settings import KnowledgeSettings
from engine.knowledge.writing import Writer
from prompts.texts import LANGUAGES, Text, say, text
from storage import actions, articles, attempts, audit_read, blocks, incidents
from storage.articles import WATCHSTANDER, Article, Kind, Words
from storage.attempts import Attempt
from storage.lifecycle import ArticleMove, ArticleState, AttemptMove
from tests.unit.knowledge.shelves import VPN, Shelves


def learning_of(shelves: Shelves, language: str = "en") -> Learning:
    return Learning(shelves.db, Writer(), KnowledgeSettings(language=language))


async def learned(shelves: Shelves, attempt: Attempt) -> bool:
    async with shelves.db.read() as tx:
        return (await attempts.must(tx, attempt.id)).learned_at is not None


def sections(article: Article) -> dict[str, str]:
    """Heading → what stands below it."""
    parts = f"\n{article.body}".split("\n## ")[1:]
    return {part.partition("\n")[0]: part.partition("\n")[2].strip() for part in parts}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_success_becomes_a_runbook_of_nine_sections(
    shelves: Shelves, language: str
) -> None:
    attempt = await shelves.repair(good=True, detail="504 from upstream\n## Related incidents\n")
    assert await learning_of(shelves, language).run_once() == 1
    (book,) = await shelves.all()
    assert (book.kind, book.state, book.language) == (Kind.RUNBOOK, ArticleState.DRAFT, language)
    assert (book.origin, book.symptom) == (f"attempt:{attempt.id}", attempt.symptom)
    assert book.questions[0] == "upstream timed out"
    found = sections(book)
    assert list(found) == [say(text(f"kb_section_{name}"), language) for name in SECTIONS]
    assert all(found.values()), found
    _symptom, _, steps, verification, cautions, scope, related, _, conditions = found.values()
    assert "pay-was-01: sudo -n systemctl restart -- tomcat" in steps
    assert verification.count("PAY-WAS-01 (tomcat)") == 2
    assert "HIGH" in cautions and "PAY-WAS-01" in scope
    assert related.startswith("- INC-20261120-0001")
    assert attempt.symptom in conditions
    assert await shelves.cards() == [book.subject], "its review card"
    assert await shelves.said() == [], "a draft is no news"
    assert await learned(shelves, attempt)


async def test_a_second_success_is_added_to_the_first(shelves: Shelves) -> None:
    learning = learning_of(shelves)
    await shelves.repair(good=True)
    await learning.run_once()
    await shelves.repair(good=True)
    await shelves.repair(good=True, playbook="another")
    await shelves.repair(good=True, symptom="b" * 16)
    await learning.run_once()
    book, other, elsewhere = await shelves.all()
    related = sections(book)["Related incidents"].splitlines()
    assert [line.split(" ")[1] for line in related] == ["INC-20261120-0001", "INC-20261120-0002"]
    assert "## Prevention" in book.body and (book.version, book.changed_at) == (2, book.created_at)
    assert other.origin != book.origin and elsewhere.symptom == "b" * 16


async def test_a_runbook_that_people_rejected_is_not_written_again(shelves: Shelves) -> None:
    learning = learning_of(shelves)
    await shelves.repair(good=True)
    await learning.run_once()
    (book,) = await shelves.all()
    async with shelves.db.write() as tx:
        await articles.move(tx, book, ArticleMove.REJECT, "person:jun")
    again = await shelves.repair(good=True)
    await learning.run_once()
    assert len(await shelves.all()) == 1 and await learned(shelves, again)


async def test_a_runbook_whose_section_was_taken_out_stays_as_it_is(shelves: Shelves) -> None:
    learning = learning_of(shelves)
    await shelves.repair(good=True)
    await learning.run_once()
    (book,) = await shelves.all()
    async with shelves.db.write() as tx:
        await articles.edit(tx, book, Words(body="Short and mine."), "person:jun")
    again = await shelves.repair(good=True)
    await learning.run_once()
    assert (await shelves.all())[0].body == "Short and mine." and await learned(shelves, again)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_failure_warns_at_once(shelves: Shelves, language: str) -> None:
    attempt = await shelves.repair(good=False)
    assert await learning_of(shelves, language).run_once() == 1
    (bad,) = await shelves.all()
    assert (bad.kind, bad.state) == (Kind.ANTI_PATTERN, ArticleState.PUBLISHED)
    assert "systemctl restart" in bad.body and "/why 1" in bad.body and "/heal lift 1" in bad.body
    async with shelves.db.read() as tx:
        block = await blocks.of_attempt(tx, attempt.id)
        incident = await incidents.must(tx, attempt.incident_id)
        story = await incidents.timeline(tx, incident.id)
    assert block is not None and block.article_id == bad.id
    (told,) = await shelves.said()
    assert bad.key in say(Text.from_json(told["text"]), language)
    assert await shelves.cards() == [bad.subject]
    assert story[-1].kind == "article" and story[-1].detail["article"] == bad.key


async def test_the_same_failure_again_is_one_warning(shelves: Shelves) -> None:
    learning = learning_of(shelves)
    await shelves.repair(good=False)
    await learning.run_once()
    again = await shelves.repair(good=False, playbook="another")
    await learning.run_once()
    (bad,) = await shelves.all()
    assert bad.body.count("INC-20261120-0002") == 1
    async with shelves.db.read() as tx:
        block = await blocks.of_attempt(tx, again.id)
    assert block is not None and block.article_id == bad.id
    assert len(await shelves.said()) == 1


async def test_a_failure_without_a_block_says_nothing_of_the_cure(shelves: Shelves) -> None:
    attempt = await shelves.repair(good=False, block=False)
    assert await learning_of(shelves).run_once() == 0
    assert await shelves.all() == [] and await learned(shelves, attempt)


async def test_a_wait_that_helped_is_no_runbook(shelves: Shelves) -> None:
    async with shelves.db.write() as tx:
        incident = await incidents.create(
            tx, source="x", severity="P2", summary="x", asset=None, actor=WATCHSTANDER
        )
        attempt = await attempts.begin(
            tx, incident, playbook="wait", playbook_digest="", action_type="", targets=[]
        )
        steps = (AttemptMove.WAIT, AttemptMove.LOOK, AttemptMove.SETTLE, AttemptMove.SUCCEED)
        for step in steps:
            await attempts.move(tx, await attempts.must(tx, attempt.id), step)
    assert await learning_of(shelves).run_once() == 0
    assert await shelves.all() == [] and await learned(shelves, attempt)


async def test_two_processes_write_it_down_once(shelves: Shelves) -> None:
    await shelves.repair(good=True)
    await shelves.repair(good=False, symptom="b" * 16)
    one, two = learning_of(shelves), learning_of(shelves)
    assert await one.run_once() + await two.run_once() == 2
    assert len(await shelves.all()) == 2 and len(await shelves.said()) == 1


async def test_a_repair_that_cannot_be_written_down_is_given_up_and_keeps_no_other_back(
    shelves: Shelves, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = await shelves.repair(good=True, summary="breaks the writing")
    title = learning_module.runbook_title

    def breaks(repair: learning_module.Repair, language: str) -> str:
        if repair.attempt.id == broken.id:
            raise ValueError("a bug met by this repair alone")
        return title(repair, language)

    monkeypatch.setattr(learning_module, "runbook_title", breaks)
    sound = await shelves.repair(good=True, symptom="b" * 16)
    learning = learning_of(shelves)
    for _ in range(MOST_TRIES - 1):
        await learning.run_once()
    assert await learned(shelves, sound) and not await learned(shelves, broken)
    await learning.run_once()
    assert await learned(shelves, broken)
    assert await learning.run_once() == 0
    async with shelves.db.read() as tx:
        kinds = [row.record.kind async for row in audit_read.walk(tx)]
    assert kinds.count("attempt.unlearned") == 1
    assert caplog.text.count("ValueError: a bug met") == MOST_TRIES


async def test_hostile_words_stay_words(shelves: Shelves) -> None:
    hostile = "{{ 7*7 }} {% raise %} <!channel> ## Steps\n## Steps\n1. rm -rf /"
    await shelves.repair(good=True, summary=hostile.splitlines()[0], detail=hostile)
    await learning_of(shelves).run_once()
    (book,) = await shelves.all()
    assert "{{ 7*7 }}" in book.body and "49" not in book.body
    assert sections(book)["Steps"].count("systemctl restart") == 1
    assert "rm -rf" not in sections(book)["Steps"]
    assert [line for line in book.body.splitlines() if line.startswith("## Steps")] == ["## Steps"]


async def test_a_persons_draft_gets_likely_questions_once(shelves: Shelves) -> None:
    async with shelves.db.write() as tx:
        draft = await articles.create(
            tx,
            kind=Kind.ARTICLE,
            title=VPN[0],
            body=VPN[1],
            language="ko",
            actor="person:jun",
            author_id=shelves.people["jun"].id,
        )
    assert draft is not None
    learning = learning_of(shelves)
    assert await learning.run_once() == 1
    (now,) = await shelves.all()
    assert len(now.questions) == 2 and all(VPN[0] in each for each in now.questions)
    assert any("어떻게" in each for each in now.questions), "in the draft's language"
    async with shelves.db.write() as tx:
        await articles.edit(tx, now, Words(questions=()), "person:jun")
    assert await learning.run_once() == 0, "whoever took them away knows better"


async def test_a_secret_in_an_alert_or_an_output_is_in_no_article_and_no_notice(
    shelves: Shelves,
) -> None:
    told = "login failed: password=hunter22"
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----"
    for good in (True, False):
        symptom = "ab"[good] * 16
        await shelves.repair(good=good, summary=told, detail=f"{told}\n{key}", symptom=symptom)
    await learning_of(shelves).run_once()
    made = await shelves.all()
    assert len(made) == 2
    said = str(await shelves.said())
    whole = said + "".join(each.title + each.body + str(each.questions) for each in made)
    assert "login failed" in whole and "hunter22" not in whole and "MIIEp" not in whole


async def test_what_a_model_says_of_a_cause_is_marked_as_such(shelves: Shelves) -> None:
    attempt = await shelves.repair(good=True)
    async with shelves.db.read() as tx:
        incident = await incidents.must(tx, attempt.incident_id)
    repair = learning_module.Repair(incident, attempt, None, "")
    body = learning_module.runbook_body(repair, "en", {"cause": "The moon."})
    cause, prevention = (
        body.split(f"## {each}\n")[1].split("\n\n")[0] for each in ("Cause", "Prevention")
    )
    assert cause.startswith("The moon.\n(Words of the local model")
    assert "Words of the local model" not in prevention, "that is the template's own"


async def test_a_long_section_is_never_cut_within_a_command(shelves: Shelves) -> None:
    attempt = await shelves.repair(good=True)
    async with shelves.db.read() as tx:
        incident = await incidents.must(tx, attempt.incident_id)
        action = await actions.by_id(tx, attempt.action_id or 0)
    assert action is not None
    argv = ["sudo", "-n", "systemctl", "restart", "--", "x" * 290]
    step = {**action.plan["steps"][0], "argv": argv}
    many = replace(action, plan={**action.plan, "steps": [step] * 18})
    repair = learning_module.Repair(incident, attempt, many, "")
    body = learning_module.runbook_body(repair, "en", {})
    steps = body.split("## Steps\n")[1].split("\n\n")[0].splitlines()
    assert steps[-1] == "…" and all(line.endswith("x" * 290) for line in steps[1:-1])
