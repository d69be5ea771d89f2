"""/api/playbooks as a program meets it."""

from __future__ import annotations

from storage import people, playbooks
from tests.contract.healing import FAILS, SUCCEEDS, begin, goes, incident
from tests.integration.rest.conftest import Api, refused


async def test_playbooks_with_their_counts(api: Api) -> None:
    about = await incident(api.db)
    for steps in (SUCCEEDS, FAILS):
        await goes(api.db, await begin(api.db, about, "PAY-WAS-01"), steps)
    async with api.db.write() as tx:
        (ana,) = [one for one in await people.everyone(tx) if one.name == "ana"]
        await playbooks.switch(tx, "http-429", False, ana)
        now = tx.now
    answer = await api.robot.get("/api/playbooks")
    assert answer.status_code == 200
    found = {item["name"]: item for item in answer.json()["items"]}
    assert list(found)[:2] == ["dns-failure", "db-refused"]
    oom = found["app-oom"]
    assert oom["title"] == "The application ran out of memory: restart it"
    assert (oom["succeeded"], oom["failed"], oom["skipped"], oom["under_way"]) == (1, 1, 0, 0)
    assert (oom["last_state"], oom["last_used_at"]) == ("FAILED", now)
    assert oom["cools_until"] == now + 60 * 60_000
    assert oom["step"]["action"] == "server_restart"
    assert (oom["minimum"], oom["cooldown_minutes"], oom["max_retries"]) == ("P1", 60, 2)
    wait = found["http-429"]
    assert (wait["enabled"], oom["enabled"]) == (False, True)
    assert wait["step"] == {
        "kind": "WAIT_RETRY",
        "action": None,
        "otherwise": None,
        "role": None,
        "reach": None,
        "params": {},
        "wait_minutes": 30,
        "message": None,
        "guide": None,
    }
    assert (wait["last_used_at"], wait["cools_until"]) == (None, None)
    told = (await api.min.get("/api/playbooks")).json()["items"]
    assert {item["name"]: item for item in told}["gdrive-token"]["step"]["message"].startswith(
        "작업"
    )


async def test_nobody_without_a_token(api: Api) -> None:
    refused(await api.http.get("/api/playbooks"), 401, "token_missing")
