"""GET /api/incidents/{key}/root-cause as a program meets it."""

from __future__ import annotations

from tests.integration.rest.conftest import Api, refused


async def opened(api: Api, asset: str, summary: str) -> str:
    answer = await api.robot.post(
        "/api/incidents", {"asset": asset, "summary": summary, "source": "mon"}
    )
    assert answer.status_code == 201, answer.text
    key: str = answer.json()["incident"]["id"]
    return key


async def test_ranked_causes_with_their_evidence_in_the_callers_language(api: Api) -> None:
    first = await opened(api, "PAY-WAS-01", "no space left on device")
    key = await opened(api, "PAY-WAS-01", "java.lang.OutOfMemoryError")
    answer = await api.jun.get(f"/api/incidents/{key}/root-cause")
    assert answer.status_code == 200
    found = answer.json()
    assert set(found) == {"incident", "causes", "solved_before"} and found["incident"] == key
    (cause,) = found["causes"]
    assert cause["kind"] == "host" and 0 < cause["score"] <= 95
    assert cause["title"].startswith("同一資產")
    assert cause["evidence"][0]["link"] == f"incident:{first}"


async def test_words_of_a_model_are_null_where_there_is_none(api: Api) -> None:
    await opened(api, "PAY-WAS-01", "no space left on device")
    answer = await api.ana.get("/api/incidents/1/root-cause", worded="true")
    assert answer.json()["worded"] is None and answer.json()["causes"] == []


async def test_an_incident_that_is_not_there(api: Api) -> None:
    refused(await api.ana.get("/api/incidents/INC-20261120-0099/root-cause"), 404, "missing")
    refused(await api.ana.get("/api/incidents/KB-20261120-0099/root-cause"), 422, "invalid")
