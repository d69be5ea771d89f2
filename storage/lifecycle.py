"""Every state of actions, service requests, incidents, repairs and articles, and every legal move.

Rule 1: whatever decides whether a move is legal as such is in this file; a move that is not in
these tables cannot be written.
Rule 2: this file knows nothing else: no database, no clock, no person.
Rule 3: conditions on a move (who, digest, deadline) are named by the code that makes the move, in
the same UPDATE that names the old state.
"""

from enum import StrEnum


class State(StrEnum):
    """Where an action stands."""

    PROPOSED = "PROPOSED"  #: written, not yet routed
    PENDING_APPROVAL = "PENDING_APPROVAL"  #: waits for a person
    APPROVED = "APPROVED"  #: a person said yes; waits for the runner
    QUEUED = "QUEUED"  #: needs no person; waits for the runner
    RUNNING = "RUNNING"  #: claimed by one runner
    SUCCEEDED = "SUCCEEDED"  #: every step ended well
    FAILED = "FAILED"  #: a step ended badly, or was refused before it began
    UNKNOWN = "UNKNOWN"  #: nobody knows whether it ran: a person settles it
    REJECTED = "REJECTED"  #: a person said no
    EXPIRED = "EXPIRED"  #: not decided, or not run, in time
    SUPERSEDED = "SUPERSEDED"  #: plan, target, risk or policy changed: a new card replaced it
    CANCELLED = "CANCELLED"  #: a person called it off before it began


class Move(StrEnum):
    """What can happen to an action. Each move leaves an audit row ``action.<move>``."""

    ASK = "ask"
    QUEUE = "queue"
    APPROVE = "approve"
    REJECT = "reject"
    EXPIRE = "expire"
    SUPERSEDE = "supersede"
    CANCEL = "cancel"
    CLAIM = "claim"
    SUCCEED = "succeed"
    FAIL = "fail"
    LOSE = "lose"
    SETTLE_RAN = "settle_ran"
    SETTLE_NOT_RUN = "settle_not_run"


MOVES: dict[Move, dict[State, State]] = {
    Move.ASK: {State.PROPOSED: State.PENDING_APPROVAL},
    Move.QUEUE: {State.PROPOSED: State.QUEUED},
    Move.APPROVE: {State.PENDING_APPROVAL: State.APPROVED},
    Move.REJECT: {State.PENDING_APPROVAL: State.REJECTED},
    Move.EXPIRE: {
        State.PENDING_APPROVAL: State.EXPIRED,
        State.APPROVED: State.EXPIRED,
        State.QUEUED: State.EXPIRED,
    },
    Move.SUPERSEDE: {
        State.PENDING_APPROVAL: State.SUPERSEDED,
        State.APPROVED: State.SUPERSEDED,
        State.QUEUED: State.SUPERSEDED,
    },
    # A RUNNING action that is called off stays where it is: actions.cancelled_at says that nothing
    # more of it is begun, and its end is that of what ran.
    Move.CANCEL: {
        State.PENDING_APPROVAL: State.CANCELLED,
        State.APPROVED: State.CANCELLED,
        State.QUEUED: State.CANCELLED,
    },
    Move.CLAIM: {State.QUEUED: State.RUNNING, State.APPROVED: State.RUNNING},
    Move.SUCCEED: {State.RUNNING: State.SUCCEEDED},
    Move.FAIL: {State.RUNNING: State.FAILED},
    Move.LOSE: {State.RUNNING: State.UNKNOWN},
    Move.SETTLE_RAN: {State.UNKNOWN: State.SUCCEEDED},
    Move.SETTLE_NOT_RUN: {State.UNKNOWN: State.FAILED},
}

#: No move leads out of these.
FINAL = frozenset(
    state for state in State if not any(state in sources for sources in MOVES.values())
)

#: A person can still be asked about these: their cards carry buttons.
OPEN = frozenset({State.PENDING_APPROVAL, State.UNKNOWN})


class RequestState(StrEnum):
    """Where a service request stands."""

    NEW = "NEW"  #: not looked at
    OPEN = "OPEN"  #: classified, nobody has it
    ASSIGNED = "ASSIGNED"  #: a person has it
    DONE = "DONE"  #: closed as done
    REJECTED = "REJECTED"  #: closed as refused


class RequestMove(StrEnum):
    """What can happen to a service request. Each leaves an audit row ``request.<move>``."""

    CLASSIFY = "classify"
    ASSIGN = "assign"
    CLOSE = "close"
    REJECT = "reject"
    REOPEN = "reopen"


_LIVE = (RequestState.NEW, RequestState.OPEN, RequestState.ASSIGNED)
REQUEST_MOVES: dict[RequestMove, dict[RequestState, RequestState]] = {
    RequestMove.CLASSIFY: {RequestState.NEW: RequestState.OPEN},
    RequestMove.ASSIGN: {state: RequestState.ASSIGNED for state in _LIVE},
    RequestMove.CLOSE: {state: RequestState.DONE for state in _LIVE},
    RequestMove.REJECT: {state: RequestState.REJECTED for state in _LIVE},
    RequestMove.REOPEN: {
        RequestState.DONE: RequestState.OPEN,
        RequestState.REJECTED: RequestState.OPEN,
    },
}


class IncidentState(StrEnum):
    """Where an incident stands."""

    OPEN = "OPEN"  #: reported; no repair is under way
    HEALING = "HEALING"  #: an attempt to repair it is under way
    ESCALATED = "ESCALATED"  #: a person has to look; nothing is tried by itself
    RESOLVED = "RESOLVED"  #: over


class IncidentMove(StrEnum):
    """What can happen to an incident. Each leaves an audit row ``incident.<move>``."""

    HEAL = "heal"  #: an attempt begins
    PAUSE = "pause"  #: an attempt ended, and another may follow
    ESCALATE = "escalate"
    RESOLVE = "resolve"
    REOPEN = "reopen"  #: reported again soon after it was over
    RETRY = "retry"  #: a person lets it be repaired again


_AT_WORK = (IncidentState.OPEN, IncidentState.HEALING, IncidentState.ESCALATED)
INCIDENT_MOVES: dict[IncidentMove, dict[IncidentState, IncidentState]] = {
    IncidentMove.HEAL: {IncidentState.OPEN: IncidentState.HEALING},
    IncidentMove.PAUSE: {IncidentState.HEALING: IncidentState.OPEN},
    IncidentMove.ESCALATE: {
        IncidentState.OPEN: IncidentState.ESCALATED,
        IncidentState.HEALING: IncidentState.ESCALATED,
    },
    IncidentMove.RESOLVE: {state: IncidentState.RESOLVED for state in _AT_WORK},
    IncidentMove.REOPEN: {IncidentState.RESOLVED: IncidentState.OPEN},
    IncidentMove.RETRY: {IncidentState.ESCALATED: IncidentState.OPEN},
}


class AttemptState(StrEnum):
    """Where an attempt to repair stands. Each name says what has to be done next."""

    BEFORE = "BEFORE"  #: look at the symptom before anything is done
    WAITING = "WAITING"  #: wait until ``due_at`` (WAIT_RETRY)
    ACTING = "ACTING"  #: its action is with people, or runs
    AFTER = "AFTER"  #: look at the symptom after it
    SETTLING = "SETTLING"  #: wait out the stability window, then look again
    UNDOING = "UNDOING"  #: the inverse action is with people, or runs
    SUCCEEDED = "SUCCEEDED"  #: the symptom is gone, and stayed away
    FAILED = "FAILED"  #: the action failed, or the symptom is still there
    SKIPPED = "SKIPPED"  #: nothing was done, for the reason that stands beside it


class AttemptMove(StrEnum):
    """What can happen to an attempt. Each leaves an audit row ``attempt.<move>``."""

    WAIT = "wait"
    ACT = "act"
    LOOK = "look"
    SETTLE = "settle"
    UNDO = "undo"
    SUCCEED = "succeed"
    FAIL = "fail"
    SKIP = "skip"


ATTEMPT_MOVES: dict[AttemptMove, dict[AttemptState, AttemptState]] = {
    AttemptMove.WAIT: {AttemptState.BEFORE: AttemptState.WAITING},
    AttemptMove.ACT: {
        AttemptState.BEFORE: AttemptState.ACTING,
        AttemptState.WAITING: AttemptState.ACTING,
    },
    AttemptMove.LOOK: {
        AttemptState.ACTING: AttemptState.AFTER,
        AttemptState.WAITING: AttemptState.AFTER,
    },
    AttemptMove.SETTLE: {AttemptState.AFTER: AttemptState.SETTLING},
    AttemptMove.UNDO: {
        AttemptState.AFTER: AttemptState.UNDOING,
        AttemptState.SETTLING: AttemptState.UNDOING,
    },
    AttemptMove.SUCCEED: {AttemptState.SETTLING: AttemptState.SUCCEEDED},
    AttemptMove.FAIL: {
        AttemptState.ACTING: AttemptState.FAILED,
        AttemptState.AFTER: AttemptState.FAILED,
        AttemptState.SETTLING: AttemptState.FAILED,
        AttemptState.UNDOING: AttemptState.FAILED,
    },
    AttemptMove.SKIP: {
        AttemptState.BEFORE: AttemptState.SKIPPED,
        AttemptState.WAITING: AttemptState.SKIPPED,
        AttemptState.ACTING: AttemptState.SKIPPED,
    },
}

#: Something has still to be done about these.
UNDER_WAY = frozenset(
    state for state in AttemptState if any(state in sources for sources in ATTEMPT_MOVES.values())
)


class ArticleState(StrEnum):
    """Where an article stands. Only PUBLISHED ones are searched."""

    DRAFT = "DRAFT"  #: waits for a person's review
    PUBLISHED = "PUBLISHED"  #: is searched, and answers
    REJECTED = "REJECTED"  #: a person said no to it
    RETIRED = "RETIRED"  #: was published, and no longer is


class ArticleMove(StrEnum):
    """What can happen to an article. Each leaves an audit row ``article.<move>``."""

    PUBLISH = "publish"
    REJECT = "reject"
    RETIRE = "retire"
    REVISE = "revise"  #: back to a draft, to be edited and reviewed again


ARTICLE_MOVES: dict[ArticleMove, dict[ArticleState, ArticleState]] = {
    ArticleMove.PUBLISH: {ArticleState.DRAFT: ArticleState.PUBLISHED},
    ArticleMove.REJECT: {ArticleState.DRAFT: ArticleState.REJECTED},
    ArticleMove.RETIRE: {ArticleState.PUBLISHED: ArticleState.RETIRED},
    ArticleMove.REVISE: {
        ArticleState.PUBLISHED: ArticleState.DRAFT,
        ArticleState.REJECTED: ArticleState.DRAFT,
        ArticleState.RETIRED: ArticleState.DRAFT,
    },
}


def sources(move: Move) -> tuple[State, ...]:
    """The states a move may start from."""
    return tuple(MOVES[move])


def target(move: Move, source: State) -> State:
    """Where a move leads from a state. Raises KeyError when the table has no such move."""
    return MOVES[move][source]


AUTO_DONE = "AUTO_DONE"
"""Requirements row D2: it succeeded, and needed no person's yes."""


def status(state: State, *, approved: bool) -> str:
    """The status name of requirements row D2 for a state; ``approved`` = a person said yes.

    AUTO_DONE stands for SUCCEEDED without approval; execution adds its own names.
    """
    if state is State.SUCCEEDED and not approved:
        return AUTO_DONE
    if state in (State.PROPOSED, State.QUEUED):
        return "QUEUED"
    return state.value
