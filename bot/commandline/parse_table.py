"""The figures of ``watchstander parse --eval`` as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from bot.commandline.parse_language import LANGUAGES
from bot.commandline.parse_score import PARTS, Row, Share
from engine.execution.outcome import visible

if TYPE_CHECKING:
    from bot.commandline.parse_eval import Figures, Miss, Types
    from engine.language.contract import Reading

_NOTHING = "–"
_HEADINGS = ("", "number", "all right", *PARTS, "wrong targets", "asked")


def drawn(figures: Figures) -> Iterator[str]:
    """The table of groups, the request types, the times."""
    table: list[Sequence[str]] = [_HEADINGS]
    before = "all"
    for kind, name, row in figures.groups():
        if kind != before:
            table.append(())
        before = kind
        table.append(_cells(name, row))
    yield from _aligned(table)
    yield from _notes(figures.all)
    if figures.ours.all.of:
        yield ""
        yield "request type: DEPLOY, RESTART, LOG, INQUIRY, else OTHER"
        yield from _aligned(_types(figures.ours, figures.keywords))
    times = figures.times
    yield ""
    yield (
        f"milliseconds a message: p50 {times.percentile(0.5):.1f}, "
        f"p99 {times.percentile(0.99):.1f}, slowest {times.percentile(1):.1f}"
    )
    yield "read by: " + ", ".join(f"{who} {count}" for who, count in times.sources.most_common())


def miss_lines(miss: Miss) -> Iterator[str]:
    """An example that was not read right, with an empty line after it."""
    example, reading = miss.example, miss.timed.reading
    yield f"line {example.line}: wrong: {', '.join(miss.score.misses)}"
    yield f"  text      {_one_line(example.text)}"
    yield "  expected  " + _told(
        example.intent, example.assets, example.artifacts, example.approval
    )
    yield "  got       " + _got(reading)
    if miss.score.wrong_targets:
        yield f"  wrong     {' '.join(miss.score.wrong_targets)} chosen without a question"
    yield ""


def _cells(name: str, row: Row) -> Sequence[str]:
    shares = (row.all_right, *row.parts.values())
    return (name, str(row.number), *map(_share, shares), str(row.wrong_targets), str(row.asked))


def _notes(row: Row) -> Iterator[str]:
    """Where a percentage is not of all of them."""
    for part, share in row.parts.items():
        if share.of < row.number:
            yield f"{part}: expected of {share.of} of {row.number}, and counted of these"


def _types(ours: Types, keywords: Types) -> list[Sequence[str]]:
    present = [name for name in LANGUAGES if ours.languages[name].of]
    return [
        ("", "number", "right", *present),
        *(
            (name, str(way.all.of), _share(way.all), *(_share(way.languages[n]) for n in present))
            for name, way in (("ours", ours), ("keyword table", keywords))
        ),
    ]


def _share(share: Share) -> str:
    return _NOTHING if share.percent is None else f"{share.right} {share.percent:5.1f} %"


def _aligned(table: Sequence[Sequence[str]]) -> Iterator[str]:
    """The rows with their columns under each other; an empty row is an empty line."""
    columns = max(map(len, table))
    widths = [max(len(row[column]) for row in table if row) for column in range(columns)]
    for row in table:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=False)]
        yield "  ".join([row[0].ljust(widths[0]), *cells]).rstrip() if row else ""


def _got(reading: Reading) -> str:
    parse = reading.parse
    told = _told(parse.intent_type, reading.assets, parse.deploy_artifacts, parse.requires_approval)
    asked = "asked" if reading.question else "not asked"
    return f"{told}; {asked}; confidence {reading.confidence:.2f}; by {reading.source}"


def _told(
    intent: str | None,
    assets: Sequence[str] | None,
    artifacts: Sequence[str] | None,
    approval: bool | None,
) -> str:
    told = [intent] if intent is not None else []
    for name, values in (("assets", assets), ("files", artifacts)):
        if values is not None:
            told.append(f"{name}: {_one_line(' '.join(values)) or 'none'}")
    if approval is not None:
        told.append("needs approval" if approval else "needs no approval")
    return "; ".join(told)


def _one_line(text: str) -> str:
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")
