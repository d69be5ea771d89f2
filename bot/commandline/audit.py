"""``watchstander audit``: is the record of what happened whole?"""

from __future__ import annotations

import argparse
from typing import Any

from bot.commandline.options import config_option


def add(commands: Any) -> None:
    """Declare the sub-commands."""
    audit = commands.add_parser("audit", help="verify the record of what happened")
    verbs = audit.add_subparsers(required=True, metavar="VERB")
    verify = verbs.add_parser("verify", help="read the whole chain and tell what was done to it")
    adopt = verbs.add_parser("adopt", help="sign a chain that lost its checkpoints")
    for parser, run in ((verify, run_verify), (adopt, run_adopt)):
        config_option(parser)
        parser.set_defaults(run=run)


def run_verify(args: argparse.Namespace) -> int:
    """One line per finding and 1, or the one good line and 0."""
    import asyncio

    from bot.commandline.opening import database, settings_from
    from bot.commandline.output import results
    from engine.audit import Verdict, verify

    async def look() -> Verdict:
        async with database(settings) as db, db.read() as tx:
            return await verify(tx, settings.audit)

    settings = settings_from(args.config)
    verdict = asyncio.run(look())
    results(verdict.lines)
    return 0 if verdict.ok else 1


def run_adopt(args: argparse.Namespace) -> int:
    """Sign the chain as it stands; only where there is no checkpoint and the chain is whole."""
    import asyncio

    from bot.commandline.opening import database, settings_from
    from bot.commandline.output import Failure, result
    from engine.audit import CannotSign, Checkpointer

    async def adopt() -> str:
        async with database(settings) as db, db.read() as tx:
            try:
                point = await Checkpointer(settings.audit).adopt(tx)
            except CannotSign as error:
                raise Failure(str(error)) from None
        return f"signed: {point.count} rows" if point else "nothing to sign"

    settings = settings_from(args.config)
    result(asyncio.run(adopt()))
    return 0
