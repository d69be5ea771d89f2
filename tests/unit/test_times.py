"""Times are shown in the team's zone."""

from __future__ import annotations

from contextvars import copy_context

from prompts.texts import clock, show_times_in

MOMENT = 1_795_165_200_000  # 2026-11-20 09:00 UTC


def shown_in(zone: str) -> str:
    def show() -> str:
        show_times_in(zone)
        return clock(MOMENT)

    return copy_context().run(show)


def test_each_team_reads_its_own_time() -> None:
    assert shown_in("Asia/Seoul") == "2026-11-20 18:00 KST"
    assert shown_in("Asia/Taipei") == "2026-11-20 17:00 CST"
    assert shown_in("UTC") == "2026-11-20 09:00 UTC"


def test_no_time_is_a_dash() -> None:
    assert clock(None) == "–"
