"""``watchstander run``: the bot, until it is told to stop."""

from __future__ import annotations

import argparse
from typing import Any

from bot.commandline.options import config_option


def add(commands: Any) -> None:
    """Declare the sub-command."""
    parser = commands.add_parser("run", help="start the bot")
    config_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look everything over, then start; 1 and every problem when it cannot start."""
    import asyncio

    from bot.commandline.check import problems_of
    from bot.commandline.logs import log_to_stderr
    from bot.commandline.opening import settings_from
    from bot.commandline.output import Failure

    settings = settings_from(args.config)
    problems = asyncio.run(problems_of(settings))
    if problems:
        raise Failure(*problems)
    log_to_stderr(settings)
    from bot.serving import CannotStart
    from bot.serving import run as serve

    try:
        return serve(settings)
    except CannotStart as error:
        raise Failure(str(error)) from None
