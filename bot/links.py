"""Connects the platforms, each on its own: one that is down never keeps another from starting."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from bot.platforms.port import Health, Keep, Platform, SendRefused, SendRetry
from handlers.inbound import Event
from handlers.services import Link
from prompts.texts import say, text

log = logging.getLogger(__name__)

_LONGEST_WAIT_S = 60.0
_NAMES = {"web": text("link_web"), "messenger": text("link_messenger")}
"""In words; the others are names of products."""


class Links:
    """The platforms by name, and whether each is connected."""

    def __init__(self, platforms: Sequence[Platform]) -> None:
        self._platforms: Mapping[str, Platform] = {p.name: p for p in platforms}
        self._trouble = {name: text("link_connecting") for name in self._platforms}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, keep: Keep) -> None:
        """Begin to connect; returns after each platform had its first try or two seconds."""
        self._tasks = [
            asyncio.create_task(self._connect(platform, keep), name=f"link-{name}")
            for name, platform in self._platforms.items()
        ]
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2.0)

    async def stop(self) -> None:
        """Disconnect all, whether connected or not."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for name, platform in self._platforms.items():
            if name in self._trouble:
                continue
            try:
                await platform.stop()
            # The boundary: one that cannot stop in order must not keep the others from it.
            except Exception:
                log.exception("%s: did not stop in order", name)

    def sender(self, name: str) -> Platform:
        """The platform to send through. Raises SendRetry until connected, SendRefused if none."""
        if name not in self._platforms:
            raise SendRefused(f"no platform {name!r} is configured")
        if name in self._trouble:
            raise SendRetry(f"{name}: {say(self._trouble[name], 'en')}", delay=5.0)
        return self._platforms[name]

    def translate(self, source: str, raw: Mapping[str, object]) -> Event | None:
        """A kept delivery as an event. Raises KeyError for a platform that is not configured."""
        return self._platforms[source].translate(raw)

    def states(self) -> list[Link]:
        """Every platform by name with the truth about its link."""
        found = []
        for name, platform in self._platforms.items():
            trouble = self._trouble.get(name)
            health = Health(False, trouble) if trouble is not None else platform.health()
            found.append(Link(_NAMES.get(name, name), health.ok, health.detail))
        return found

    async def _connect(self, platform: Platform, keep: Keep) -> None:
        wait = 1.0
        while True:
            try:
                await platform.start(keep)
            except SendRefused as refused:
                self._trouble[platform.name] = text("link_trouble", why=str(refused))
                log.error("%s: %s", platform.name, refused)
                return
            except Exception as error:  # noqa: BLE001 – the boundary: a room that is down is tried again
                why = text("link_not_connected_why", why=str(error))
                self._trouble[platform.name] = why
                log.warning("%s: not connected, next try in %.0f s: %s", platform.name, wait, error)
                await asyncio.sleep(wait)
                wait = min(_LONGEST_WAIT_S, wait * 2)
            else:
                del self._trouble[platform.name]
                log.info("%s: connected", platform.name)
                return
