"""What hosts answer to a look, read strictly."""

from __future__ import annotations

import pytest

from engine.healing.service_state import container_state, disk_use, unit_state
from prompts.texts import LANGUAGES, say


@pytest.mark.parametrize(
    ("active", "sub", "ok"),
    [
        ("active", "running", True),
        ("active", "exited", True),
        ("active", "listening", True),
        ("active", "waiting", True),
        ("active", "start-post", False),
        ("reloading", "reload", True),
        ("activating", "auto-restart", False),
        ("deactivating", "stop-sigterm", False),
        ("inactive", "dead", False),
        ("failed", "failed", False),
    ],
)
def test_the_states_of_units(active: str, sub: str, ok: bool) -> None:
    seen = unit_state(
        f"Id=x.service\nActiveState={active}\nSubState={sub}\nResult=success\n"
        "MainPID=1\nNRestarts=7\nMemoryCurrent=[not set]\n"
    )
    assert (seen.ok, seen.restarts) == (ok, 7)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "ActiveState=active",
        "SubState=running",
        "ActiveState=active SubState=running",
        "ActiveState=active\nSubState=<b>running</b>",
        "ActiveState=аctive\nSubState=running\n",  # a Cyrillic letter
        "Failed to connect to bus: No such file or directory\n",
    ],
)
def test_an_answer_that_is_none_tells_nothing(answer: str) -> None:
    assert unit_state(answer).ok is None
    assert container_state(answer).ok is None
    assert disk_use(answer, 90).ok is None


def test_a_host_cannot_say_a_property_twice() -> None:
    lying = unit_state(
        "ActiveState=failed\nSubState=failed\nActiveState=active\nSubState=running\n"
    )
    assert lying.ok is False


@pytest.mark.parametrize(
    ("answer", "ok", "said"),
    [
        ("/app running exit=0 oom=false health=none restarts=0 since=x", True, "running"),
        (
            "/app running exit=0 oom=false health=healthy restarts=2 since=2026-11-20T00:00:00Z",
            True,
            "running, health healthy, restarted 2 times",
        ),
        ("/app running exit=0 oom=false health=unhealthy restarts=0 since=x", False,
         "running, health unhealthy"),
        ("/app running exit=0 oom=false health=starting restarts=0 since=x", False,
         "running, health starting"),
        ("/app restarting exit=1 oom=false health=none restarts=9 since=x", False,
         "restarting, exit code 1, restarted 9 times"),
        ("/app exited exit=137 oom=true health=none restarts=0 since=x", False,
         "exited, exit code 137, killed for lack of memory"),
        ("app paused exit=0 oom=false health=none restarts=0 since=x", False,
         "paused, exit code 0"),
        ("Error: No such container: app", False, "There is no such container on the host."),
        ("Error response from daemon: No such object: app", False,
         "There is no such container on the host."),
        ("permission denied while trying to connect to the docker API", None,
         "The host's answer could not be read."),
        ("/app running; rm exit=0", None, "The host's answer could not be read."),
    ],
)  # fmt: skip
def test_the_states_of_containers(answer: str, ok: bool | None, said: str) -> None:
    seen = container_state(answer)
    assert (seen.ok, say(seen.detail, "en")) == (ok, said)
    assert seen.restarts is None or seen.restarts >= 0


DF = """\
Filesystem      Size  Used Avail Capacity Mounted on
/dev/vda1        40G   18G   20G      48% /
/dev/vdb1       200G  171G   20G      90% /data
/dev/vdc1       200G  171G   20G      91% /srv/a b
tmpfs           7.8G  7.8G    0      100% /run
tmpfs           7.8G  7.8G    0      100% /tmp
/dev/loop3       56M   56M     0     100% /snap/core/1
/dev/sr0        700M  700M     0     100% /media/cd
overlay          40G   40G     0     100% /var/lib/docker/overlay2/x/merged
udev            7.8G     0  7.8G       - /dev
df: /mnt/nfs: Stale file handle
"""


@pytest.mark.parametrize(("limit", "ok"), [(90.0, False), (91.0, False), (91.5, True)])
def test_the_fullest_real_file_system_counts(limit: float, ok: bool) -> None:
    seen = disk_use(DF, limit)
    assert seen.ok is ok
    assert say(seen.detail, "en") == f"/srv/a b is 91% full (limit {limit:g}%)"


def test_inside_a_container_the_overlay_is_the_disk() -> None:
    assert disk_use("overlay 40G 39G 1G 98% /\n", 90).ok is False


def test_every_finding_can_be_said_in_every_language() -> None:
    unit = unit_state("ActiveState=failed\nSubState=failed\nResult=oom-kill\nNRestarts=3\n")
    for language in LANGUAGES:
        assert "oom-kill" in say(unit.detail, language)
