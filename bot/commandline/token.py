"""``watchstander token``: secrets that stand for a person."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from bot.commandline.options import config_option

if TYPE_CHECKING:
    from bot.settings import Settings

_DAY_MS = 86_400_000


def add(commands: Any) -> None:
    """Declare the sub-commands."""
    token = commands.add_parser("token", help="make or take back a person's tokens")
    verbs = token.add_subparsers(required=True, metavar="VERB")
    create = verbs.add_parser("create", help="print a new token for the REST API, alone")
    _common(create)
    create.add_argument("--days", type=_days, help="days until it ends (default: never)")
    what = create.add_mutually_exclusive_group()
    what.add_argument(
        "--sign-in", action="store_true", help="print a sign-in link for the web room instead"
    )
    what.add_argument(
        "--revoke-all", action="store_true", help="first take back every token the person has"
    )
    create.set_defaults(run=run_create)
    revoke = verbs.add_parser("revoke", help="take back every token and session of a person")
    _common(revoke)
    revoke.set_defaults(run=run_revoke)


def _common(parser: argparse.ArgumentParser) -> None:
    config_option(parser)
    parser.add_argument("--person", required=True, metavar="NAME", help="as in [[person]] name")


def _days(written: str) -> float:
    try:
        days = float(written)
    except ValueError:
        days = 0.0
    if not 0 < days <= 36_500:
        raise argparse.ArgumentTypeError(f"{written!r} is no number of days above zero")
    return days


def run_create(args: argparse.Namespace) -> int:
    """Print the new token alone."""
    import asyncio

    from bot.commandline.opening import settings_from
    from bot.commandline.output import result

    result(asyncio.run(_create(settings_from(args.config), args)))
    return 0


def run_revoke(args: argparse.Namespace) -> int:
    """Take everything back and say how much it was."""
    import asyncio

    from bot.commandline.opening import settings_from
    from bot.commandline.output import result

    result(f"{asyncio.run(_revoke(settings_from(args.config), args.person))} taken back")
    return 0


async def _create(settings: Settings, args: argparse.Namespace) -> str:
    from bot.commandline.opening import database, listed_person
    from storage import audit, tokens

    days = args.days or (1.0 if args.sign_in else None)
    ttl = None if days is None else int(days * _DAY_MS)
    kind = "signin" if args.sign_in else "api"
    async with database(settings, prepare=True) as db:
        person = await listed_person(db, settings, args.person)
        async with db.write() as tx:
            if args.revoke_all:
                await tokens.revoke_all(tx, person.id)
            secret = await tokens.create(tx, person.id, kind, ttl)
            await audit.append(
                tx,
                "watchstander",
                "token.create",
                person.actor,
                {"kind": kind, "days": days, "revoked_all": args.revoke_all},
            )
    return sign_in_link(settings, secret) if args.sign_in else secret


async def _revoke(settings: Settings, name: str) -> int:
    from bot.commandline.opening import database, listed_person
    from storage import audit, tokens

    async with database(settings) as db:
        person = await listed_person(db, settings, name)
        async with db.write() as tx:
            count = await tokens.revoke_all(tx, person.id)
            await audit.append(tx, "watchstander", "token.revoke", person.actor, {"count": count})
    return count


def sign_in_link(settings: Settings, secret: str) -> str:
    """The address that signs a person in to the web room."""
    web = settings.web
    host = "127.0.0.1" if web.host in ("", "0.0.0.0", "::") else web.host  # noqa: S104
    host = f"[{host}]" if ":" in host else host
    address = web.public_url.rstrip("/") or f"http://{host}:{web.port}"
    return f"{address}/sign-in/{secret}"
