"""``watchstander totp``: the authenticators that approvals take a code from."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from bot.commandline.options import config_option

if TYPE_CHECKING:
    from bot.settings import Settings


def add(commands: Any) -> None:
    """Declare the sub-commands."""
    totp = commands.add_parser("totp", help="set up or remove a person's authenticator")
    verbs = totp.add_subparsers(required=True, metavar="VERB")
    enrol = verbs.add_parser("enrol", help="print a new secret as a QR code and an address, once")
    remove = verbs.add_parser("remove", help="take a person's authenticator away")
    for parser, run in ((enrol, run_enrol), (remove, run_remove)):
        config_option(parser)
        parser.add_argument("name", metavar="NAME", help="as in [[person]] name")
        parser.set_defaults(run=run)
    listing = verbs.add_parser("list", help="tell who has one, and who would need one")
    config_option(listing)
    listing.set_defaults(run=run_list)


def run_enrol(args: argparse.Namespace) -> int:
    """Print the otpauth:// address alone on stdout; the picture of it goes to the terminal."""
    import asyncio
    import sys

    from bot.commandline.opening import settings_from
    from bot.commandline.output import remark, result

    settings = settings_from(args.config)
    address = asyncio.run(_enrol(settings, args.name))
    if sys.stderr.isatty():
        remark(_picture(address))
    result(address)
    remark(
        f"Scan the code with {args.name}'s authenticator app, or type the secret of the address.",
        "It is not shown again; an older authenticator of this person no longer works.",
    )
    if not settings.approvals.coded:
        remark("note: [approvals] second_factor is off: no approval takes a code")
    return 0


def run_remove(args: argparse.Namespace) -> int:
    """Take it away; 1 when there was none."""
    import asyncio

    from bot.commandline.opening import settings_from
    from bot.commandline.output import Failure, result

    settings = settings_from(args.config)
    if not asyncio.run(_remove(settings, args.name)):
        raise Failure(f"{args.name} has no authenticator; see: watchstander totp list")
    result(f"{args.name}'s authenticator is removed")
    return 0


def run_list(args: argparse.Namespace) -> int:
    """One line per person who may approve what takes a code, and per enrolled person."""
    import asyncio

    from bot.commandline.opening import settings_from
    from bot.commandline.output import results

    settings = settings_from(args.config)
    results(asyncio.run(_list(settings)))
    return 0


def _picture(address: str) -> str:
    """The address as a QR code of block letters."""
    import io

    import segno

    drawn = io.StringIO()
    segno.make(address, error="m").terminal(drawn, compact=True, border=2)
    return drawn.getvalue().rstrip("\n")


async def _enrol(settings: Settings, name: str) -> str:
    from bot.commandline.opening import database, listed_person
    from bot.commandline.output import Failure
    from engine.approvals.second_factor import FactorError, SecondFactor

    async with database(settings, prepare=True) as db:
        person = await listed_person(db, settings, name)
        try:
            async with db.write() as tx:
                return await SecondFactor(settings.approvals).enrol(tx, person)
        except FactorError as error:
            raise Failure(f"{settings.path.name}: [approvals] factor_key_file: {error}") from None


async def _remove(settings: Settings, name: str) -> bool:
    from bot.commandline.opening import database, listed_person
    from engine.approvals.second_factor import SecondFactor

    async with database(settings) as db:
        person = await listed_person(db, settings, name)
        async with db.write() as tx:
            return await SecondFactor(settings.approvals).remove(tx, person)


async def _list(settings: Settings) -> list[str]:
    from bot.commandline.opening import database
    from prompts.texts import clock, show_times_in
    from storage import second_factors

    show_times_in(settings.team.time_zone)
    async with database(settings) as db, db.read() as tx:
        enrolled = await second_factors.enrolled(tx)
    lines = [f"{name}: since {clock(one.enrolled_at)}" for name, one in enrolled.items()]
    return [*lines, *(f"{name}: none" for name in without_factor(settings, set(enrolled)))]


def without_factor(settings: Settings, enrolled: set[str]) -> list[str]:
    """Who may approve what takes a code, and could not."""
    from storage.people import Role

    least = Role.ENGINEER if "HIGH" in settings.approvals.coded else Role.ADMIN
    return [one.name for one in settings.people if one.role >= least and one.name not in enrolled]
