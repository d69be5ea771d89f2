"""``watchstander incident``: what incident texts are taken for. Acts on nothing, keeps nothing."""

from __future__ import annotations

import argparse
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.commandline.parse_lines import Line
    from engine.healing.playbooks import Playbooks


def add(commands: Any) -> None:
    """Declare the sub-commands."""
    parser = commands.add_parser("incident", help="classify and group incident texts")
    kinds = parser.add_subparsers(required=True, metavar="WHAT")
    one = kinds.add_parser(
        "classify", help="class, symptom and playbook of each text, as JSON; starts nothing"
    )
    one.add_argument(
        "--jsonl",
        type=Path,
        required=True,
        metavar="FILE",
        help='one {"text"} a line; "service" and "severity" (P1 to P3, or a word such as critical)'
        " if known, else the severity counts as P1, the worst, for which every playbook is; one"
        " answer a line; - is standard input",
    )
    one.add_argument(
        "--playbooks",
        type=Path,
        metavar="FOLDER",
        help="the team's own playbooks, which come before the shipped ones",
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

    playbooks = _playbooks(args.playbooks)
    bad = answered = 0
    try:
        with opened(args.jsonl) as file:
            for line in lines(file):
                try:
                    result(as_json(_answer(line, playbooks)))
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


def _playbooks(folder: Path | None) -> Playbooks:
    from bot.commandline.output import Failure
    from engine.healing.playbooks import PlaybookError, load_playbooks

    try:
        return load_playbooks(folder)
    except PlaybookError as error:
        raise Failure(*error.problems) from None


def _answer(line: Line, playbooks: Playbooks) -> dict[str, str | None]:
    from bot.commandline.parse_lines import BadLine
    from engine.incidents.classify import classify
    from engine.incidents.symptom import symptom_hash

    if line.problem:
        raise BadLine(line.problem)
    service = _field(line, "service")
    kind = classify(line.text)
    found = playbooks.find(kind, _severity(line), line.text)
    return {
        "class": kind,
        "symptom_hash": symptom_hash(kind, service, line.text),
        "playbook": found.name if found else None,
    }


def _severity(line: Line) -> str:
    """As the line has it. Without one the worst, so that a text alone tells its playbook."""
    from bot.commandline.parse_lines import BadLine
    from engine.incidents.reports import SEVERITIES, severity_of

    word = _field(line, "severity")
    found = severity_of(word) if word else SEVERITIES[0]
    if found is None:
        raise BadLine(f'line {line.number}: its "severity" is not known; write P1, P2 or P3')
    return found


def _field(line: Line, name: str) -> str:
    from bot.commandline.parse_lines import BadLine

    value = (line.fields or {}).get(name, "")
    if not isinstance(value, str):
        raise BadLine(f'line {line.number}: its "{name}" is not a text; write it in quotes')
    return value


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
