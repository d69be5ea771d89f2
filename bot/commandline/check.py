"""``watchstander check``: everything that is wrong with a set-up, each with its place and mend."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from bot.commandline.options import config_option

if TYPE_CHECKING:
    from bot.settings import Settings


def add(commands: Any) -> None:
    """Declare the sub-command."""
    parser = commands.add_parser("check", help="tell everything that is wrong with a configuration")
    config_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print one problem a line and give 1, or "no problems" and 0."""
    import asyncio

    from bot.commandline.opening import settings_from
    from bot.commandline.output import Failure, remark, result, results

    try:
        settings = settings_from(args.config)
    except Failure as failure:
        results(failure.lines)
        return 1
    problems = asyncio.run(problems_of(settings))
    remark(*(f"note: {line}" for line in remarks_on(settings)))
    if problems:
        results(problems)
        return 1
    notes = [
        *_hosts_without_keys(settings),
        *asyncio.run(_without_factor(settings)),
        *_reach_of_playbooks(settings),
    ]
    remark(*(f"note: {line}" for line in notes))
    result("no problems")
    return 0


async def problems_of(settings: Settings) -> list[str]:
    """What is wrong behind the configuration: its files and its database. Changes nothing."""
    return [
        *_tables(settings),
        *_model(settings),
        *await _embeddings(settings),
        *_audit(settings),
        *_factor_key(settings),
        *await _database(settings),
    ]


def remarks_on(settings: Settings) -> list[str]:
    """What works, but may not be meant."""
    from storage.people import Role

    remarks = []
    if not any(room.approvals for room in settings.rooms):
        remarks.append("no [[room]] has approvals = true: escalations reach people on call only")
    if not any(person.role is Role.ADMIN for person in settings.people):
        remarks.append("no [[person]] has role ADMIN: nobody can approve CRITICAL actions")
    if not settings.rooms:
        remarks.append("no [[room]] is listed: people can talk to the bot in direct messages only")
    return remarks


def _hosts_without_keys(settings: Settings) -> list[str]:
    """Hosts that every action would be refused on until their keys are known."""
    from engine.execution.ssh import missing_host_keys
    from engine.inventory import load_inventory

    return missing_host_keys(settings.ssh, load_inventory(settings.inventory.file))


async def _without_factor(settings: Settings) -> list[str]:
    """Who could not approve, for want of an authenticator. Only for a database that is there."""
    from bot.commandline.opening import database
    from bot.commandline.output import Failure
    from bot.commandline.totp import without_factor
    from engine.approvals.second_factor import SecondFactor
    from storage import second_factors

    if not settings.approvals.coded:
        return []
    enrolled: set[str] = set()
    key_file, wrong = settings.approvals.factor_key_file, []
    try:
        async with database(settings) as db, db.read() as tx:
            enrolled = set(await second_factors.enrolled(tx))
            if enrolled and not key_file.exists():
                wrong = [f"{key_file} is gone: no code can be checked; restore it"]
            elif enrolled:
                wrong = [
                    f"{key_file} does not open the secret of {name}: restore the key that sealed"
                    f' it, or run: watchstander totp enrol "{name}"'
                    for name in await SecondFactor(settings.approvals).unreadable(tx)
                ]
    except Failure:
        # No database yet, or an older one: nobody can be enrolled there.
        enrolled = set()
    levels = " and ".join(settings.approvals.coded)
    return wrong + [
        f"{name} has no authenticator and cannot approve {levels}: "
        f'run: watchstander totp enrol "{name}"'
        for name in without_factor(settings, enrolled)
    ]


def _reach_of_playbooks(settings: Settings) -> list[str]:
    """What each playbook could touch. Only for files that are known to be good."""
    from engine.actions.scripts import Scripts
    from engine.healing.playbook_reach import reach
    from engine.healing.playbooks import load_playbooks
    from engine.inventory import load_inventory
    from engine.planning import Planner
    from engine.risk import load_policy

    inventory, policy = load_inventory(settings.inventory.file), load_policy(settings.policy.file)
    planner = Planner(inventory, policy, Scripts(settings.plan.scripts), settings.plan)
    playbooks = load_playbooks(settings.heal.playbooks, settings.plan)
    return [f"playbook {line}" for one in playbooks for line in reach(one, planner)]


def _tables(settings: Settings) -> list[str]:
    """The inventory, the way to its hosts, the risk table, the scripts and the playbooks."""
    from engine.actions.scripts import Scripts
    from engine.execution.ssh import setup_problems
    from engine.healing.checks import check_problems
    from engine.healing.playbooks import PlaybookError, load_playbooks
    from engine.inventory import Inventory, InventoryError, load_inventory
    from engine.nudges import NudgeError, load_rules
    from engine.risk import PolicyError, load_policy

    problems: list[str] = []
    inventory = Inventory({}, {}, {})
    try:
        inventory = load_inventory(settings.inventory.file)
        problems += [
            f"{settings.path.name}: {problem}"
            for problem in check_problems(settings.checks, inventory)
        ]
    except InventoryError as error:
        problems += error.problems
    try:
        load_rules(settings.nudge_rules, load_policy(settings.policy.file))
    except NudgeError as error:
        problems += [f"{settings.path.name}: {problem}" for problem in error.problems]
    except PolicyError as error:
        problems += error.problems
    problems += Scripts(settings.plan.scripts).problems()
    try:
        load_playbooks(settings.heal.playbooks, settings.plan)
    except PlaybookError as error:
        problems += error.problems
    place = f"{settings.path.name}: [ssh]"
    return problems + [f"{place} {p}" for p in setup_problems(settings.ssh, inventory)]


def _model(settings: Settings) -> list[str]:
    import hashlib

    model, place = settings.model, f"{settings.path.name}: [model]"
    if model.file is None:
        return []
    try:
        with model.file.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest() if model.pinned else ""
    except OSError as error:
        mend = "mend the path, or remove it to read words by rules"
        return [f"{place} path: {model.file}: {error.strerror}; {mend}"]
    if found != model.pinned.lower():
        return [f"{place} sha256: {model.file} has {found}; get the right file, or mend the hash"]
    return []


async def _embeddings(settings: Settings) -> list[str]:
    """The embedding model is loaded and tried, for any other model is a GGUF file as well."""
    from engine.knowledge.nearness import Nearness

    if settings.knowledge.embeddings is None:
        return []
    problem = await Nearness(settings.knowledge, settings.model).tried()
    return [f"{settings.path.name}: {problem}"] if problem else []


def _audit(settings: Settings) -> list[str]:
    from engine.audit import CannotSign, load_key

    if not settings.audit.key_file.exists():
        return []
    try:
        load_key(settings.audit.key_file)
    except CannotSign as error:
        return [f"{settings.path.name}: [audit] key_file: {error.finding.detail}"]
    return []


def _factor_key(settings: Settings) -> list[str]:
    from engine.approvals.second_factor import FactorError, load_key

    key_file = settings.approvals.factor_key_file
    if not settings.approvals.coded or not key_file.exists():
        return []
    try:
        load_key(key_file)
    except FactorError as error:
        return [f"{settings.path.name}: [approvals] factor_key_file: {error}"]
    return []


async def _database(settings: Settings) -> list[str]:
    from storage import migrate
    from storage.address import sqlite_file
    from storage.database import Database
    from storage.migrate import Schema, Unreachable, WrongSchema

    place = f"{settings.path.name}: [database] url"
    file = sqlite_file(settings.database.url)
    if file is not None and not file.exists():
        # It is made on the first start, folders and all.
        return []
    db = Database.open(settings.database)
    try:
        found = await migrate.state(db)
        if found in (Schema.NEWER, Schema.FOREIGN):
            return [f"{place}: {WrongSchema(found)}"]
    except Unreachable as error:
        return [f"{place}: {error}; start the database, or mend the address"]
    finally:
        await db.close()
    return []
