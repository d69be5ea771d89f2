"""docs/reference/lifecycle.md: the tables of storage/lifecycle.py."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from storage import lifecycle
from tests.reference.drawing import mermaid
from tests.reference.markdown import page, table


def page_text() -> str:
    parts = [
        "# Lifecycle",
        "From `storage/lifecycle.py`. A move that is not here cannot be written. Each is one"
        " conditional UPDATE that names the old state, with its audit row in the same transaction.",
        "## Actions",
        "![States of an action and the moves between them](../images/lifecycle.svg)",
        _states(lifecycle.State, lifecycle.FINAL),
        _moves(lifecycle.MOVES),
        mermaid(lifecycle.MOVES),
        "## Service requests",
        _states(lifecycle.RequestState, frozenset()),
        _moves(lifecycle.REQUEST_MOVES),
        mermaid(lifecycle.REQUEST_MOVES),
        "## Incidents",
        _states(lifecycle.IncidentState, frozenset()),
        _moves(lifecycle.INCIDENT_MOVES),
        mermaid(lifecycle.INCIDENT_MOVES),
        "## Attempts to repair",
        _states(lifecycle.AttemptState, frozenset(lifecycle.AttemptState) - lifecycle.UNDER_WAY),
        _moves(lifecycle.ATTEMPT_MOVES),
        mermaid(lifecycle.ATTEMPT_MOVES),
        "## Articles",
        _states(lifecycle.ArticleState, frozenset()),
        _moves(lifecycle.ARTICLE_MOVES),
        mermaid(lifecycle.ARTICLE_MOVES),
    ]
    return page(parts)


def _states(states: type[StrEnum], final: frozenset[Any]) -> str:
    words = dict(re.findall(r'(\w+) = "\w+"  #: (.+)', inspect.getsource(states)))
    rows = [(f"`{s}`", words[s.name], "yes" if s in final else "no") for s in states]
    return table(("state", "meaning", "final"), rows)


def _moves(moves: Mapping[Any, Mapping[Any, Any]]) -> str:
    rows = [
        (f"`{move}`", f"`{source}`", f"`{target}`")
        for move, edges in moves.items()
        for source, target in edges.items()
    ]
    return table(("move", "from", "to"), rows)
