"""The demo: a folder with everything in it, simulated hosts over real SSH, and the bot itself."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import socket
from collections.abc import Iterator
from pathlib import Path

from bot.app import App
from bot.commandline.opening import settings_from
from bot.commandline.output import Failure, results
from bot.commandline.token import sign_in_link
from bot.demo_folder import place_hosts, write_folder
from bot.serving import CannotStart, serve
from bot.settings import Settings
from engine.execution.demo_hosts import DemoHosts
from engine.inventory import InventoryError, load_inventory
from storage import people, tokens

_LINK_DAYS = 7


async def run(folder: Path, port: int) -> int:
    """Run the demo in a folder (absolute) until a signal; what is there from before is kept.

    Raises Failure when the folder is not the demo's, is in use, or the port is taken.
    """
    write_folder(folder, port)
    with _alone(folder):
        settings = settings_from(folder / "config.toml")
        settings = dataclasses.replace(settings, web=dataclasses.replace(settings.web, port=port))
        _require_free_port(settings.web.host, port)
        try:
            hosts = DemoHosts(load_inventory(settings.inventory.file), folder / "hosts")
        except InventoryError as error:
            raise Failure(*error.problems) from None
        await hosts.start()
        try:
            place_hosts(settings.inventory.file, hosts.ports)
            return await serve(settings, lambda app, _: _greet(app, settings, hosts))
        except CannotStart as error:
            raise Failure(str(error)) from None
        finally:
            await hosts.stop()


async def _greet(app: App, settings: Settings, hosts: DemoHosts) -> None:
    """Print how to get in, once everything answers."""
    lines = [
        "",
        "Watchstander is running. Open one of these, each in a browser window of its own:",
        "",
    ]
    async with app.db.write() as tx:
        for person in await people.everyone(tx):
            secret = await tokens.create(tx, person.id, "signin", _LINK_DAYS * 86_400_000)
            who = f"{person.name} ({person.role.name}, {person.language})"
            lines += [f"  {who}", f"    {sign_in_link(settings, secret)}"]
    lines += [
        "",
        f"The links work for {_LINK_DAYS} days. Every command the simulated hosts were given:",
        f"  {hosts.ledger}",
        f"Settings and inventory: {settings.path.parent}",
        "Stop with Ctrl-C; start again with the same folder and everything is still there.",
        "",
    ]
    results(lines)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One demo per folder: a second one would move the hosts away under the first."""
    with (folder / "demo.lock").open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Failure(f"{folder}: another demo runs here; stop it, or give --dir") from None
        yield


def _require_free_port(host: str, port: int) -> None:
    """Look before the hosts are started; the web server looks again."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            why = "another program has it" if taken else error.strerror
            raise Failure(
                f"port {port} cannot be used: {why}; choose another with --port"
            ) from None
