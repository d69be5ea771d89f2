"""``watchstander incident``: what incident texts are taken for. Acts on nothing, keeps nothing."""

from __future__ import annotations

import argparse
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.commandline.parse_lines import Line


def add(commands: Any) -> None:
    """Declare the sub-commands."""
    parser = commands.add_parser("incident", help="classify and group incident texts")
    kinds = parser.add_subparsers(required=True, metavar="WHAT")
    one = kinds.add_parser("classify", help="class and symptom of each text, as JSON")
    one.add_argument(
        "--jsonl",
        type=Path,
        required=True,
        metavar="FILE",
        help='one {"text"} a line, "service" if known; one answer a line; - is standard input',
    )
    one.set_defaults(run=_classify)
    many = kinds.add_parser("group", help="which texts tell of the same event")
    many.add_argument(
        "--lines",
        type=Path,
        required=True,
        metavar="FILE",
        help="one text a line; the number of its group a line, at the end; - is standard input",
    )
    many.set_defaults(run=_group)


def _classify(args: argparse.Namespace) -> int:
    """Answer each line as soon as it is read: 0, or 1 when a line could not be used."""
    from bot.commandline.output import Failure, as_json, leave, remark, result
    from bot.commandline.parse_lines import BadLine, lines, opened

    bad = answered = 0
    try:
        with opened(args.jsonl) as file:
            for line in lines(file):
                try:
                    result(as_json(_answer(line)))
                    answered += 1
                except BadLine as problem:
                    bad += 1
                    result(as_json({"line": line.number, "error": str(problem)}))
    except BrokenPipeError:
        return leave()
    if not bad and not answered:
        raise Failure(f'{args.jsonl}: holds no text; write one {{"text": "…"}} a line')
    if bad:
        remark(f"{args.jsonl}: {bad} of {bad + answered} lines could not be used; see their error")
    return 1 if bad else 0


def _answer(line: Line) -> dict[str, str | None]:
    from bot.commandline.parse_lines import BadLine
    from engine.incidents.classify import classify
    from engine.incidents.symptom import symptom_hash

    if line.problem:
        raise BadLine(line.problem)
    service = (line.fields or {}).get("service", "")
    if not isinstance(service, str):
        raise BadLine(f'line {line.number}: its "service" is not a text; write it in quotes')
    kind = classify(line.text)
    # There are no playbooks yet.
    return {
        "class": kind,
        "symptom_hash": symptom_hash(kind, service, line.text),
        "playbook": None,
    }


def _group(args: argparse.Namespace) -> int:
    """Number the groups from 1 in the order they first come; 4 bytes are held a line."""
    from bot.commandline.output import Failure, leave, result
    from bot.commandline.parse_lines import opened
    from engine.incidents.grouping import Groups

    groups, shapes = Groups(), array("I")
    with opened(args.lines) as file:
        for text in _texts(file):
            shapes.append(groups.add(text))
    if not shapes:
        raise Failure(f"{args.lines}: holds no line; write one text a line")
    numbers: dict[int, int] = {}
    try:
        for shape in shapes:
            # A blank line has a group, too, so that answers stand beside their lines.
            result(str(numbers.setdefault(groups.group(shape), len(numbers) + 1)))
    except BrokenPipeError:
        return leave()
    return 0


def _texts(file: IO[bytes]) -> Iterator[str]:
    """Each line, without what is beyond the limit; bytes that are not UTF-8 are replaced."""
    from bot.commandline.output import Failure
    from bot.commandline.parse_lines import LONGEST_LINE

    try:
        while raw := file.readline(LONGEST_LINE):
            rest = raw
            while rest and not rest.endswith(b"\n"):
                rest = file.readline(LONGEST_LINE)
            yield raw.decode("utf-8", "replace").strip("\ufeff\r\n")
    except OSError as error:
        raise Failure(f"reading ended early: {error.strerror}; try again") from None
