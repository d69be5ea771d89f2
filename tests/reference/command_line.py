"""docs/reference/command-line.md: every sub-command and option."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from bot import __main__ as command_line
from tests.reference.markdown import page, table


def parsers() -> dict[str, argparse.ArgumentParser]:
    """``"token create"`` → its parser, for every sub-command that does something."""
    top = argparse.ArgumentParser(prog="watchstander")
    commands = top.add_subparsers()
    for command in command_line.COMMANDS:
        command.add(commands)
    return dict(_leaves(top, ""))


def _leaves(
    parser: argparse.ArgumentParser, name: str
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    deeper = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not deeper:
        yield name, parser
    for action in deeper:
        for word, child in action.choices.items():
            yield from _leaves(child, f"{name} {word}".strip())


def page_text() -> str:
    parts = [
        "# Command line",
        "`watchstander COMMAND`. Results go to standard output, everything else to standard error."
        " Exit status: 0 done; 1 it cannot be done, or something is wrong; 2 refused, or the"
        " arguments are wrong.",
    ]
    for name, parser in parsers().items():
        parts += [f"## watchstander {name}", _about(name)]
        rows = []
        for action in parser._actions:
            if isinstance(action, argparse._HelpAction):
                continue
            flags = ", ".join(action.option_strings) or action.dest
            metavar = f" {action.metavar}" if action.metavar and action.option_strings else ""
            default = "required" if action.required else _argument_default(action)
            rows.append((f"`{flags}{metavar}`", default, action.help or ""))
        if rows:
            parts.append(table(("option", "default", "meaning"), rows))
    return page(parts)


def _argument_default(action: argparse.Action) -> str:
    if action.default in (None, "", False, []):
        return "–"
    return f"`{action.default}`"


def _about(name: str) -> str:
    parser: Any = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    for command in command_line.COMMANDS:
        command.add(commands)
    words = name.split()
    for index, word in enumerate(words):
        (action,) = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
        if index == len(words) - 1:
            (found,) = [one.help for one in action._choices_actions if one.dest == word]
            return f"{str(found)[:1].upper()}{str(found)[1:]}."
        parser = action.choices[word]
    return ""
