"""``watchstander migrate``: bring the database to this version's tables."""

from __future__ import annotations

import argparse
from typing import Any

from bot.commandline.options import config_option


def add(commands: Any) -> None:
    """Declare the sub-command."""
    parser = commands.add_parser("migrate", help="bring the database to this version")
    config_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the missing revisions; a database that has them all is left alone."""
    import asyncio

    from bot.commandline.opening import database, settings_from
    from bot.commandline.output import result

    async def migrate() -> None:
        async with database(settings, prepare=True):
            pass

    settings = settings_from(args.config)
    asyncio.run(migrate())
    result("the database is at this version")
    return 0
