"""``watchstander backup``: a copy of all that is kept, taken while the bot runs, and its proof."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bot.commandline.options import config_option


def add(commands: Any) -> None:
    """Declare the sub-command."""
    parser = commands.add_parser("backup", help="copy all that is kept, or verify such a copy")
    config_option(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--to", type=Path, metavar="DIR", help="a new folder for the copy")
    what.add_argument("--verify", type=Path, metavar="DIR", help="look a copy over")
    parser.add_argument(
        "--with-secrets",
        action="store_true",
        help="also copy the configuration, the audit key, the SSH keys and the secret files",
    )
    parser.add_argument(
        "--pg-dump",
        default="pg_dump",
        metavar="PROGRAM",
        help="PostgreSQL: a pg_dump of the server's version or later (default: pg_dump)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Take a copy and verify it, or verify one; 1 and every problem when something is wrong."""
    import asyncio

    from bot.commandline.backup_taking import take
    from bot.commandline.backup_verifying import key_beside, verify
    from bot.commandline.opening import settings_from
    from bot.commandline.output import remark, result, results

    if args.verify:
        folder, key = args.verify, key_beside(args.config)
    else:
        settings = settings_from(args.config)
        remark(*asyncio.run(take(settings, args.to, args.pg_dump, secrets=args.with_secrets)))
        folder, key = args.to, settings.audit.key_file
    found = asyncio.run(verify(folder, key))
    remark(*found.remarks)
    if found.problems:
        results(found.problems)
        return 1
    result(found.good)
    return 0
