"""A scanned message as the small model sees it: names as marks, the rest as the person's words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.language.fold import FILE, OTHER_SPAN
from engine.language.marks import (
    COVERED,
    FILE_MARKS,
    INSTITUTION_MARKS,
    LAYER_MARKS,
    NODE_MARKS,
    SYSTEM_MARKS,
    UNIT,
    Marked,
)
from engine.language.mentions import FileName, Kind, Mention, Scan

_MARKS_OF = {
    Kind.INSTITUTION: INSTITUTION_MARKS,
    Kind.SYSTEM: SYSTEM_MARKS,
    Kind.NODE: NODE_MARKS,
}
LONGEST = 600
"""Characters of words, names aside, that the model was trained to read."""
_RUNS = re.compile(r"\s+")
_COVERED_RUN = re.compile(f"{OTHER_SPAN}+|{FILE}+")


@dataclass(frozen=True)
class Piece:
    """Words to be cut into tokens, or one mark."""

    text: str
    mark: bool = False


@dataclass
class Prompt:
    """The pieces of a message and what each mark stands for."""

    pieces: list[Piece] = field(default_factory=list)
    mentions: dict[str, list[Mention]] = field(default_factory=dict)
    files: dict[str, FileName] = field(default_factory=dict)
    whole: bool = True
    """False when the message is too long or names too much for the model."""

    @property
    def marked(self) -> Marked:
        def those(marks: Iterable[str]) -> tuple[str, ...]:
            return tuple(mark for mark in marks if mark in self.mentions)

        return Marked(
            those(INSTITUTION_MARKS), those(SYSTEM_MARKS), those(NODE_MARKS), tuple(self.files)
        )

    def marks_of(self, meant: Iterable[Mention], kind: Kind) -> tuple[str, ...]:
        """The marks of the mentions of one kind among these, in their order."""
        wanted = {id(mention) for mention in meant if mention.kind is kind}
        return tuple(
            mark
            for mark in _MARKS_OF[kind]
            if any(id(mention) in wanted for mention in self.mentions.get(mark, ()))
        )


def make_prompt(scan: Scan) -> Prompt:
    """The prompt of a message that was scanned, mended names and filled ranges included."""
    prompt = Prompt()
    starts: dict[int, list[Mention]] = {}
    for mention in scan.mentions:
        starts.setdefault(mention.start, []).append(mention)
    files = {file.start: file for file in scan.files}
    at, words = 0, 0
    while at < len(scan.masked):
        if at in starts and starts[at][0].kind in _SHOWN:
            for mention in starts[at]:
                _add_mention(prompt, mention)
            at = max(mention.end for mention in starts[at])
        elif at in files:
            at = _add_file(prompt, scan, files[at])
        elif covered := _COVERED_RUN.match(scan.masked, at):
            prompt.pieces.append(Piece(COVERED, mark=True))
            at = covered.end()
        else:
            end = _next_stop(scan, starts, files, at)
            text = _RUNS.sub(" ", scan.folded.text[at:end])
            words += len(text)
            prompt.pieces.append(Piece(text))
            at = end
    prompt.whole = prompt.whole and words <= LONGEST
    return prompt


_SHOWN = frozenset({Kind.NODE, Kind.SYSTEM, Kind.INSTITUTION, Kind.LAYER, Kind.SERVICE})
"""The kinds that are shown as marks; numbers and environments stay words."""


def _next_stop(
    scan: Scan, starts: dict[int, list[Mention]], files: dict[int, FileName], at: int
) -> int:
    end = at + 1
    while end < len(scan.masked):
        shown = end in starts and starts[end][0].kind in _SHOWN
        if shown or end in files or scan.masked[end] in (OTHER_SPAN, FILE):
            break
        end += 1
    return end


def _add_mention(prompt: Prompt, mention: Mention) -> None:
    if mention.kind not in _SHOWN:
        return
    if mention.kind is Kind.LAYER:
        marks = [LAYER_MARKS[value] for value in mention.values]
        prompt.pieces += [Piece(mark, mark=True) for mark in marks]
        return
    if mention.kind is Kind.SERVICE:
        prompt.pieces.append(Piece(UNIT, mark=True))
        return
    mark = _mark_for(prompt, mention)
    if mark is None:
        prompt.whole = False
        return
    prompt.mentions.setdefault(mark, []).append(mention)
    prompt.pieces.append(Piece(mark, mark=True))


def _mark_for(prompt: Prompt, mention: Mention) -> str | None:
    """The mark that the same name has already, or the next free one."""
    for mark in _MARKS_OF[mention.kind]:
        held = prompt.mentions.get(mark)
        if held is None or held[0].values == mention.values:
            return mark
    return None


def _add_file(prompt: Prompt, scan: Scan, file: FileName) -> int:
    end = file.start
    while end < len(scan.masked) and scan.masked[end] == FILE:
        end += 1
    for mark in FILE_MARKS:
        held = prompt.files.get(mark)
        if held is None or held.written == file.written:
            prompt.files[mark] = file
            prompt.pieces.append(Piece(mark, mark=True))
            return max(end, file.start + 1)
    prompt.whole = False
    return max(end, file.start + 1)
