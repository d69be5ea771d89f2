"""Properties of the tables of states and moves, whatever rows they may get later."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import pytest

from storage import lifecycle
from storage.lifecycle import (
    FINAL,
    MOVES,
    OPEN,
    REQUEST_MOVES,
    Move,
    RequestMove,
    RequestState,
    State,
    status,
)


def reachable(moves: Mapping[Move, Mapping[State, State]], start: State) -> set[State]:
    seen, waiting = {start}, [start]
    while waiting:
        here = waiting.pop()
        for steps in moves.values():
            if here in steps and steps[here] not in seen:
                seen.add(steps[here])
                waiting.append(steps[here])
    return seen


def without(*left_out: Move) -> dict[Move, dict[State, State]]:
    return {move: steps for move, steps in MOVES.items() if move not in left_out}


def test_every_move_has_a_row() -> None:
    assert set(MOVES) == set(Move)
    assert set(REQUEST_MOVES) == set(RequestMove)
    assert all(MOVES.values())
    assert all(REQUEST_MOVES.values())


def test_every_state_can_be_reached_from_the_first() -> None:
    assert reachable(MOVES, State.PROPOSED) == set(State)


@pytest.mark.parametrize("state", State)
def test_every_state_can_come_to_an_end(state: State) -> None:
    assert reachable(MOVES, state) & FINAL


def test_no_move_leads_out_of_a_final_state() -> None:
    expected = {
        State.SUCCEEDED,
        State.FAILED,
        State.REJECTED,
        State.EXPIRED,
        State.SUPERSEDED,
        State.CANCELLED,
    }
    assert expected == FINAL
    assert not any(state in steps for steps in MOVES.values() for state in FINAL)


def test_nothing_that_waits_for_a_person_runs_without_an_approval() -> None:
    assert State.RUNNING not in reachable(without(Move.APPROVE), State.PENDING_APPROVAL)


def test_nothing_runs_twice() -> None:
    """Once claimed, no path leads back to a claim: an UNKNOWN action is settled, never repeated."""
    after = reachable(MOVES, State.RUNNING)
    assert not after & {State.PROPOSED, State.PENDING_APPROVAL, State.APPROVED, State.QUEUED}


def test_only_a_claim_leads_to_running() -> None:
    assert {move for move, steps in MOVES.items() if State.RUNNING in steps.values()} == {
        Move.CLAIM
    }


def test_what_is_running_can_no_longer_be_decided_or_expire() -> None:
    for move in (Move.APPROVE, Move.REJECT, Move.EXPIRE, Move.SUPERSEDE):
        assert State.RUNNING not in MOVES[move]


def test_a_decision_starts_only_where_one_is_asked_for() -> None:
    for move in (Move.APPROVE, Move.REJECT):
        assert lifecycle.sources(move) == (State.PENDING_APPROVAL,)


def test_only_a_person_settles_what_nobody_knows() -> None:
    leaving = {move for move, steps in MOVES.items() if State.UNKNOWN in steps}
    assert leaving == {Move.SETTLE_RAN, Move.SETTLE_NOT_RUN}


def test_cards_with_buttons_are_the_ones_that_wait_for_a_person() -> None:
    assert {State.PENDING_APPROVAL, State.UNKNOWN} == OPEN
    assert not OPEN & FINAL


def test_target_refuses_a_move_that_is_not_in_the_table() -> None:
    assert lifecycle.target(Move.CLAIM, State.APPROVED) is State.RUNNING
    with pytest.raises(KeyError):
        lifecycle.target(Move.APPROVE, State.REJECTED)


def test_the_five_status_names_stay() -> None:
    assert status(State.SUCCEEDED, approved=False) == "AUTO_DONE"
    assert status(State.SUCCEEDED, approved=True) == "SUCCEEDED"
    for state in (State.PENDING_APPROVAL, State.APPROVED, State.REJECTED, State.EXPIRED):
        assert status(state, approved=True) == state.value
    assert status(State.QUEUED, approved=False) == "QUEUED"


def test_a_closed_request_only_reopens() -> None:
    for closed in (RequestState.DONE, RequestState.REJECTED):
        leaving = {move for move, steps in REQUEST_MOVES.items() if closed in steps}
        assert leaving == {RequestMove.REOPEN}


def test_every_request_state_can_be_reached() -> None:
    arrived = {state for steps in REQUEST_MOVES.values() for state in steps.values()}
    assert arrived | {RequestState.NEW} == set(RequestState)


@pytest.mark.parametrize("states", [State, RequestState])
def test_states_are_stored_by_their_names(states: type[StrEnum]) -> None:
    assert all(state.name == state.value for state in states)


def test_the_lifecycle_imports_nothing_but_enum() -> None:
    tree = ast.parse(Path(lifecycle.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [getattr(node, "module", None) for node in imports] == ["enum"]
