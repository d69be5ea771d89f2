"""The lifecycle of an action as a picture, and any lifecycle as a Mermaid diagram.

Where a state stands is chosen here by hand; which states and moves there are comes from the tables.
A state without a place is an error, so the picture cannot fall behind.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any
from xml.sax.saxutils import escape

Moves = Mapping[Any, Mapping[Any, Any]]

_WIDTH, _HEIGHT = 172, 40
_COLUMN, _ROW = 232, 118
_MARGIN_X, _MARGIN_Y = 106, 70
_ALONG = 0.32  # where a line bears its name: nearer to its start, so that crossing lines differ

#: Column and row of each state; fractions are allowed.
_PLACES: Mapping[str, tuple[float, float]] = {
    "PROPOSED": (0, 1.9),
    "PENDING_APPROVAL": (1, 1),
    "QUEUED": (1.6, 3.3),
    "APPROVED": (2.2, 1),
    "RUNNING": (3.2, 1.9),
    "UNKNOWN": (4.25, 1.9),
    "SUCCEEDED": (4.9, 0.9),
    "FAILED": (4.9, 2.9),
    "REJECTED": (0.8, 0),
    "CANCELLED": (1.7, 0),
    "EXPIRED": (1, 2.2),
    "SUPERSEDED": (2.2, 2.2),
}
_FILLS = {"final": "#e7e5e0", "open": "#fdebc8", "plain": "#ffffff"}


def svg(moves: Moves, final: Collection[Any], open_: Collection[Any]) -> str:
    """The picture as SVG text. Raises KeyError for a state that has no place."""
    used = {state for edges in moves.values() for pair in edges.items() for state in pair}
    states = [name for name in _PLACES if name in {state.value for state in used}]
    missing = {state.value for state in used} - set(_PLACES)
    if missing:
        raise KeyError(f"give these states a place in {__name__}: {', '.join(sorted(missing))}")
    edges = [(str(s), str(t), str(m)) for m, pairs in moves.items() for s, t in pairs.items()]
    width = int(_MARGIN_X * 2 + _COLUMN * 4.9)
    height = int(_MARGIN_Y * 2 + _ROW * 3.3)
    kinds = {state.value: "final" for state in final} | {state.value: "open" for state in open_}
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="ui-sans-serif, system-ui, sans-serif" font-size="13">',
        "<title>States of an action and the moves between them</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#4a4a4a"/></marker></defs>',
        f'<rect width="{width}" height="{height}" rx="10" fill="#faf9f6"/>',
        *[_line(source, target) for source, target, _ in edges],
        *[_label(source, target, move) for source, target, move in edges],
        *[_box(name, kinds.get(name, "plain")) for name in states],
        _legend(height),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def mermaid(moves: Moves) -> str:
    """The moves as a Mermaid state diagram in a code fence."""
    lines = ["```mermaid", "stateDiagram-v2"]
    for move, pairs in moves.items():
        lines += [f"    {source} --> {target}: {move}" for source, target in pairs.items()]
    return "\n".join([*lines, "```"])


def _centre(name: str) -> tuple[float, float]:
    column, row = _PLACES[name]
    return _MARGIN_X + column * _COLUMN, _MARGIN_Y + row * _ROW


def _ends(source: str, target: str) -> tuple[float, float, float, float]:
    """Where the line leaves one box and meets the other."""
    (x1, y1), (x2, y2) = _centre(source), _centre(target)
    return *_edge(x1, y1, x2 - x1, y2 - y1), *_edge(x2, y2, x1 - x2, y1 - y2)


def _edge(x: float, y: float, dx: float, dy: float) -> tuple[float, float]:
    """The point of a box around x, y that lies in the direction of dx, dy."""
    scale = min(
        (_WIDTH / 2 + 2) / abs(dx) if dx else math.inf,
        (_HEIGHT / 2 + 2) / abs(dy) if dy else math.inf,
    )
    return x + dx * scale, y + dy * scale


def _line(source: str, target: str) -> str:
    x1, y1, x2, y2 = _ends(source, target)
    return (
        f'<path d="M{x1:.0f} {y1:.0f} {x2:.0f} {y2:.0f}" stroke="#4a4a4a" stroke-width="1.3" '
        f'marker-end="url(#tip)" data-from="{source}" data-to="{target}"/>'
    )


def _label(source: str, target: str, move: str) -> str:
    x1, y1, x2, y2 = _ends(source, target)
    x, y = x1 + (x2 - x1) * _ALONG, y1 + (y2 - y1) * _ALONG
    wide = len(move) * 6.6 + 6
    return (
        f'<rect x="{x - wide / 2:.0f}" y="{y - 9:.0f}" width="{wide:.0f}" height="18" '
        f'fill="#faf9f6"/><text x="{x:.0f}" y="{y + 4:.0f}" text-anchor="middle" '
        f'font-size="12" fill="#4a4a4a">{escape(move)}</text>'
    )


def _box(name: str, kind: str) -> str:
    x, y = _centre(name)
    return (
        f'<g data-state="{name}"><rect x="{x - _WIDTH / 2:.0f}" y="{y - _HEIGHT / 2:.0f}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" rx="8" fill="{_FILLS[kind]}" stroke="#4a4a4a"/>'
        f'<text x="{x:.0f}" y="{y + 4:.0f}" text-anchor="middle" fill="#1c1c1c">{name}</text></g>'
    )


def _legend(height: int) -> str:
    words = (("open", "a person is asked"), ("final", "final"))
    return "".join(
        f'<rect x="24" y="{height - 60 + 24 * row}" width="18" height="14" rx="3" '
        f'fill="{_FILLS[kind]}" stroke="#4a4a4a"/>'
        f'<text x="50" y="{height - 49 + 24 * row}" fill="#1c1c1c">{label}</text>'
        for row, (kind, label) in enumerate(words)
    )
