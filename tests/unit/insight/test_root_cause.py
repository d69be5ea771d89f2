"""What points at a cause, how strongly, and with which evidence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.insight.scores import MOST, SCORES
from prompts.texts import LANGUAGES, say
from storage import articles, incidents
from storage.articles import Kind
from storage.lifecycle import ArticleMove, AttemptMove, IncidentMove, Move
from tests.unit.insight.scene import DIED, Scene

RAN = (AttemptMove.ACT, AttemptMove.LOOK, AttemptMove.SETTLE, AttemptMove.SUCCEED)


async def kinds(scene: Scene, incident: incidents.Incident) -> list[tuple[str, int]]:
    return [(cause.kind, cause.score) for cause in (await scene.ask(incident)).causes]


async def test_nothing_points_anywhere(scene: Scene) -> None:
    found = await scene.ask(await scene.incident("PAY-WAS-01"))
    assert found.causes == () and found.solved == ()


async def test_an_asset_that_nobody_knows_and_no_asset_at_all(scene: Scene) -> None:
    await scene.action("PAY-WAS-01")
    await scene.incident("PAY-DB-01", "no space left on device")
    for asset, summary in (("NOBODY-KNOWS", "something odd"), (None, "the moon is full")):
        assert await kinds(scene, await scene.incident(asset, summary, kind="UNKNOWN")) == []


@pytest.mark.parametrize(
    ("target", "minutes", "score"),
    [
        ("PAY-WAS-01", 5, "change_asset change_15_minutes"),
        ("PAY-WAS-01", 40, "change_asset change_1_hour"),
        ("PAY-WAS-01", 300, "change_asset change_6_hours"),
        ("PAY-WAS-01", 1_400, "change_asset"),
        ("BATCH-01", 5, "change_host change_15_minutes"),
        ("PAY-DB-01", 5, "change_system change_15_minutes"),
    ],
)
async def test_a_change_counts_by_where_and_when(
    scene: Scene, target: str, minutes: int, score: str
) -> None:
    made = await scene.action(target)
    scene.clock.forward(minutes=minutes)
    found = await scene.ask(await scene.incident("PAY-WAS-01"))
    (cause,) = found.causes
    assert cause.score == sum(SCORES[key] for key in score.split())
    (line,) = cause.evidence
    assert line.link == f"action:{made.id}"
    words = say(line.text, "en")
    assert f"#{made.id}" in words and target in words and "jun" in words


async def test_a_change_that_failed_counts_more(scene: Scene) -> None:
    await scene.action("PAY-WAS-01", ends=Move.FAIL)
    scene.clock.forward(minutes=400)
    points = SCORES["change_asset"] + SCORES["change_failed"]
    assert await kinds(scene, await scene.incident("PAY-WAS-01")) == [("change", points)]


async def test_what_is_no_change_of_this_place_does_not_count(scene: Scene) -> None:
    await scene.action("PAY-WAS-01")
    scene.clock.forward(minutes=24 * 60 + 1)  # too long ago
    await scene.action("PAY-WAS-01", type="service_status", risk="LOW")
    await scene.action("PAY-WAS-01", type="log_collect", risk="MEDIUM")
    await scene.action("SHOP-WAS-01")
    await scene.action("PAY-STG-DB")
    incident = await scene.incident("PAY-WAS-01")
    scene.clock.forward(minutes=1)
    after = await scene.action("PAY-WAS-01")
    await scene.repair(incident, *RAN, action=after.id)
    assert await kinds(scene, incident) == []


async def test_the_last_repair_is_a_change_when_it_comes_back(scene: Scene) -> None:
    """What was done for an incident is no cause of it, but may be one of its coming back."""
    incident = await scene.incident("PAY-WAS-01")
    scene.clock.forward(minutes=1)
    made = await scene.action("PAY-WAS-01")
    await scene.repair(incident, *RAN, action=made.id)
    await scene.resolve(incident)
    scene.clock.forward(minutes=5)
    async with scene.db.write() as tx:
        await incidents.move(tx, incident.id, IncidentMove.REOPEN, "test")
        await incidents.seen(tx, incident.id, firing=True, back=True, severity="P2")
    (cause,) = (await scene.ask(incident)).causes
    assert cause.kind == "change" and cause.evidence[0].link == f"action:{made.id}"


@pytest.mark.parametrize(
    ("asset", "summary", "kind", "score"),
    [
        ("PAY-DB-01", "panic: could not fsync", "below", "below earlier explains"),
        ("BATCH-01", "worker died", "host", "host earlier"),
        ("BATCH-01", "no space left on device", "host", "host earlier explains"),
        ("PAY-WAS-02", "worker died", "peer", "peer earlier"),
        ("PAY-WEB-01", "worker died", "", ""),  # stands on this one, not the other way round
        ("PAY-STG-DB", "panic", "", ""),
        ("SHOP-WAS-01", "worker died", "", ""),
    ],
)
async def test_trouble_elsewhere(
    scene: Scene, asset: str, summary: str, kind: str, score: str
) -> None:
    other = await scene.incident(asset, summary)
    scene.clock.forward(minutes=2)
    found = await scene.ask(await scene.incident("PAY-WAS-01"))
    if not kind:
        assert found.causes == ()
        return
    (cause,) = found.causes
    assert (cause.kind, cause.score) == (kind, sum(SCORES[key] for key in score.split()))
    assert [line.link for line in cause.evidence] == [f"incident:{other.key}"]


async def test_trouble_that_was_over_or_came_much_later_does_not_count(scene: Scene) -> None:
    over = await scene.incident("PAY-DB-01", "panic: one")
    await scene.resolve(over)
    scene.clock.forward(minutes=16)
    incident = await scene.incident("PAY-WAS-01")
    scene.clock.forward(minutes=16)
    await scene.incident("PAY-DB-01", "panic: two")
    assert await kinds(scene, incident) == []


async def test_more_trouble_at_the_same_place_is_one_cause_that_counts_more(scene: Scene) -> None:
    for number in range(6):
        await scene.incident("PAY-DB-01", f"panic: disk {number}", fingerprint=str(number))
    found = await scene.ask(await scene.incident("PAY-WAS-01", "worker died"))
    (cause,) = found.causes
    assert cause.score == SCORES["below"] + 3 * SCORES["further"]
    assert len(cause.evidence) == 4


async def test_other_trouble_on_the_same_asset_is_called_that(scene: Scene) -> None:
    await scene.incident("PAY-WAS-01", "thread pool exhausted", fingerprint="other")
    found = await scene.ask(await scene.incident("PAY-WAS-01", "worker died"))
    (cause,) = [one for one in found.causes if one.kind == "host"]
    assert cause.title.key == "cause_same"


async def test_the_same_class_at_three_places_is_shared(scene: Scene) -> None:
    for asset in ("SHOP-WAS-01", "PAY-STG-DB"):
        await scene.incident(asset, "getaddrinfo: name resolution failed")
    incident = await scene.incident("PAY-WAS-01", "getaddrinfo: name resolution failed")
    found = {cause.kind: cause for cause in (await scene.ask(incident)).causes}
    assert found["widespread"].title.values == {"kind": "DNS_FAIL", "count": 3}
    assert len(found["widespread"].evidence) == 2


async def test_a_freeze_that_was_lifted(scene: Scene) -> None:
    await scene.freeze(minutes=30)
    scene.clock.forward(minutes=10)
    found = await kinds(scene, await scene.incident("PAY-WAS-01"))
    assert found == [("thaw", SCORES["thaw_1_hour"])]


async def test_probes_that_failed(scene: Scene) -> None:
    incident = await scene.incident("PAY-WAS-01")
    looks = [
        {"probe": "PAY-WAS-01 (tomcat)", "ok": False},
        {"probe": "PAY-WAS-012 (tomcat)", "ok": False},
        {"probe": "PAY-DB-01 (postgresql)", "ok": False},
        {"probe": "shop", "ok": True},
        {"probe": "dark", "ok": None},
    ]
    await scene.repair(incident, AttemptMove.ACT, findings={"before": looks})
    found = await scene.ask(incident)
    assert [cause.kind for cause in found.causes] == ["probe_elsewhere", "probe_itself"]
    elsewhere, itself = (
        sorted(line.text.values["probe"] for line in cause.evidence) for cause in found.causes
    )
    assert elsewhere == ["PAY-DB-01 (postgresql)", "PAY-WAS-012 (tomcat)"]
    assert itself == ["PAY-WAS-01 (tomcat)"]


async def test_what_solved_it_the_last_time(scene: Scene) -> None:
    first = await scene.incident("PAY-WAS-01")
    done = await scene.action("PAY-WAS-01")
    await scene.repair(first, *RAN, action=done.id)
    await scene.resolve(first)
    scene.clock.forward(minutes=3 * 24 * 60)
    second = await scene.incident("PAY-WAS-01")
    await scene.resolve(second, "raised the pool\nto 200")
    scene.clock.forward(minutes=30 * 24 * 60)
    found = await scene.ask(await scene.incident("PAY-WAS-01"))
    (cause,) = found.causes
    assert cause.kind == "known"
    assert [line.link for line in cause.evidence] == [f"incident:{i.key}" for i in (second, first)]
    assert [line.link for line in found.solved] == [f"incident:{second.key}", f"action:{done.id}"]
    assert "“raised the pool to 200” (jun)" in say(found.solved[0].text, "en")
    assert "restart-app" in say(found.solved[1].text, "zh-TW")


async def test_likeness_of_past_incidents(scene: Scene) -> None:
    texts = (
        ("PAY-WAS-01", DIED.replace("10.0.0.7", "10.9.9.9")),
        ("PAY-WAS-01", "upstream request deadline exceeded by far"),
        ("SHOP-WAS-01", "the " + DIED),
        ("SHOP-WAS-01", "gateway gave up while reading from upstream"),
    )
    made = [await scene.incident(*one, kind="DB_UNREACHABLE") for one in texts]
    same, place, alike, _ = made
    for incident in made:
        await scene.resolve(incident)
    scene.clock.forward(minutes=60)
    found = await scene.ask(await scene.incident("PAY-WAS-01"))
    (known,) = found.causes
    told = {line.link: line.text.values["likeness"].key for line in known.evidence}
    assert told == {
        f"incident:{same.key}": "cause_likeness_symptom",
        f"incident:{place.key}": "cause_likeness_place",
        f"incident:{alike.key}": "cause_likeness_text",
    }


async def test_trouble_that_keeps_coming_back(scene: Scene) -> None:
    for _ in range(3):
        await scene.resolve(await scene.incident("PAY-WAS-01"))
        scene.clock.forward(minutes=24 * 60)
    found = await kinds(scene, await scene.incident("PAY-WAS-01"))
    assert found[0] == ("recurring", SCORES["recurring"] + 2 * SCORES["further"])


async def test_articles_about_the_symptom(scene: Scene) -> None:
    incident = await scene.incident("PAY-WAS-01")
    async with scene.db.write() as tx:
        for state in ("draft", "published"):
            article = await articles.create(
                tx,
                kind=Kind.ANTI_PATTERN,
                title=f"restarting does not help ({state})",
                body="y",
                language="en",
                actor="test",
                symptom=incident.symptom,
            )
        assert article is not None
        await articles.move(tx, article, ArticleMove.PUBLISH, "test")
    (cause,) = (await scene.ask(incident)).causes
    assert [line.link for line in cause.evidence] == [f"article:{article.key}"]


async def test_the_strongest_is_first_and_none_is_certain(scene: Scene) -> None:
    for _ in range(2):
        await scene.action("PAY-WAS-01", ends=Move.LOSE)
    await scene.incident("PAY-DB-01", "panic")
    scene.clock.forward(minutes=1)
    found = await scene.ask(await scene.incident("PAY-WAS-01"))
    scores = [cause.score for cause in found.causes]
    assert scores == sorted(scores, reverse=True) and max(scores) <= MOST


@pytest.mark.parametrize("language", LANGUAGES)
async def test_for_programs_it_is_plain_json(scene: Scene, language: str) -> None:
    await scene.action("PAY-WAS-01")
    incident = await scene.incident("PAY-WAS-01")
    raw = (await scene.ask(incident)).to_json(language)
    assert raw["incident"] == incident.key and raw["solved_before"] == []
    assert raw["causes"][0]["evidence"][0]["link"] == "action:1"
    assert set(raw["causes"][0]) == {"kind", "score", "title", "evidence"}


@pytest.mark.parametrize("hostile", ["{{ 7 * 7 }}", "{% for x in [1] %}", "\x1b[31m", "'); --"])
async def test_hostile_words_stay_words(scene: Scene, hostile: str) -> None:
    await scene.incident("PAY-DB-01", f"panic {hostile}")
    found = await scene.ask(await scene.incident("PAY-WAS-01", f"{DIED} {hostile}"))
    assert hostile in say(found.causes[0].evidence[0].text, "en")


def test_the_page_has_the_same_table() -> None:
    page = Path(__file__).parents[3] / "docs" / "explanation" / "root-cause.md"
    rows = re.findall(r"^\| `(\w+)` \|.*\| (\d+) \|$", page.read_text("utf-8"), re.MULTILINE)
    assert {key: int(points) for key, points in rows} == SCORES
