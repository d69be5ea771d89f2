"""``watchstander migrate``: this version's tables, an earlier version's, or another database."""

from __future__ import annotations

import argparse
from typing import Any

from bot.commandline.options import config_option


def add(commands: Any) -> None:
    """Declare the sub-command."""
    parser = commands.add_parser(
        "migrate", help="bring the database to this version, back to an earlier one, or elsewhere"
    )
    config_option(parser)
    parser.add_argument(
        "--to",
        metavar="URL",
        help="copy everything into this empty database (env:NAME = from the environment)",
    )
    parser.add_argument(
        "--from",
        dest="origin",
        metavar="URL",
        help="with --to: the database to copy (default: the configuration's)",
    )
    parser.add_argument(
        "--back-to",
        metavar="REVISION",
        help="go back to an earlier version's tables, e.g. 0002; tells what is lost",
    )
    parser.add_argument("--yes", action="store_true", help="with --back-to: lose it")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the missing revisions, or what the options ask for; 1 when it cannot be done."""
    from bot.commandline.output import remark

    if (args.to and args.back_to) or (args.origin and not args.to):
        remark("--from goes with --to, and --back-to stands alone; see: watchstander migrate -h")
        return 2
    if args.to:
        return _elsewhere(args)
    if args.back_to:
        return _back(args)
    return _forward(args)


def _forward(args: argparse.Namespace) -> int:
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


def _elsewhere(args: argparse.Namespace) -> int:
    import asyncio

    from bot.commandline.moving import address, move
    from bot.commandline.opening import settings_from
    from bot.commandline.output import results

    target = address(args.to, "--to")
    if args.origin:
        source = address(args.origin, "--from")
    else:
        source = settings_from(args.config).database.url
    results(asyncio.run(move(source, target)))
    return 0


def _back(args: argparse.Namespace) -> int:
    import asyncio

    from bot.commandline.moving import back
    from bot.commandline.opening import settings_from
    from bot.commandline.output import remark, result, results

    lost = asyncio.run(back(settings_from(args.config), args.back_to, go=args.yes))
    results(lost or ["nothing is lost"])
    if not args.yes:
        remark("nothing was changed; to go back and lose it, back up first, then add --yes")
        return 2
    result(f"the database is at revision {args.back_to}; start the version that it belongs to")
    return 0
