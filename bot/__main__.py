"""The ``watchstander`` command."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence

from bot.commandline import (
    audit,
    backup,
    check,
    demo,
    guard,
    incident,
    kb,
    migrate,
    parse,
    plan,
    run,
    slack_manifest,
    token,
    totp,
)
from bot.commandline.output import Failure, remark

COMMANDS = (
    run,
    demo,
    check,
    migrate,
    backup,
    token,
    totp,
    audit,
    plan,
    parse,
    guard,
    incident,
    kb,
    slack_manifest,
)
"""One line per sub-command; the order is that of --help."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one sub-command and give the exit status: 0 done, 1 cannot, 2 refused or misused."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Whatever a terminal cannot show is shown escaped; it must not end the command.
            stream.reconfigure(errors="backslashreplace")
    args = _parser().parse_args(argv)
    try:
        status: int = args.run(args)
    except Failure as failure:
        remark(*failure.lines)
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="watchstander",
        description="Stands watch in a team's chat: routine work done, risky work asked about.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
