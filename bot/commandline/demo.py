"""``watchstander demo``: everything on this machine, with simulated hosts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Declare the sub-command."""
    parser = commands.add_parser(
        "demo", help="try it out: simulated hosts, three people, no set-up"
    )
    parser.add_argument("--dir", type=Path, default=Path("demo"), metavar="DIR", help="its folder")
    parser.add_argument("--port", type=_port, default=8484, help="of the web room (8484)")
    parser.set_defaults(run=run)


def _port(written: str) -> int:
    if not (written.isascii() and written.isdigit() and 1 <= int(written) <= 65535):
        raise argparse.ArgumentTypeError(f"{written!r} is no port; give one from 1 to 65535")
    return int(written)


def run(args: argparse.Namespace) -> int:
    """Write the folder where it is new, and run until a signal."""
    import asyncio

    from bot.commandline.logs import log_to_stderr
    from bot.demo import run as run_demo

    log_to_stderr()
    return asyncio.run(run_demo(args.dir.absolute(), args.port))
