"""``watchstander plan``: what would run, where, and at which risk. Touches no host."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Declare the sub-command."""
    parser = commands.add_parser("plan", help="show what an action would run, as JSON")
    parser.add_argument("--inventory", type=Path, required=True, metavar="FILE")
    parser.add_argument("--action", default="", metavar="TYPE", help="e.g. server_restart")
    parser.add_argument("--target", nargs="+", action="extend", default=[], metavar="CODE")
    parser.add_argument("--param", nargs="+", action="extend", default=[], metavar="NAME=VALUE")
    parser.add_argument(
        "--jsonl",
        type=Path,
        metavar="FILE",
        help='many at once: one {"action","targets","params"} a line, one answer a line',
    )
    parser.add_argument("--policy", type=Path, metavar="FILE", help="over the shipped risk table")
    parser.add_argument("--scripts", type=Path, metavar="DIR", help="the registered scripts")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the plan and give 0, or the refusal and 2."""
    import sys

    from engine.planning import PlanSettings, run_plan_command

    params: dict[str, str] = {}
    for written in args.param:
        name, sign, value = written.partition("=")
        if not (name and sign):
            return _refuse(f"--param {written!a}: not NAME=VALUE; write --param lines=100")
        if name in params:
            return _refuse(f"--param {name!a} is given twice; give it once")
        params[name] = value
    if not args.jsonl and not args.action:
        return _refuse("no action is named; give --action TYPE --target CODE, or --jsonl FILE")
    return run_plan_command(
        args.inventory,
        args.action,
        args.target,
        params,
        args.jsonl,
        out=sys.stdout,
        settings=PlanSettings(scripts=args.scripts),
        policy_path=args.policy,
    )


def _refuse(message: str) -> int:
    from bot.commandline.output import result

    answer = {"refused": "invalid", "message": message}
    result(json.dumps(answer, ensure_ascii=False, indent=2))
    return 2
