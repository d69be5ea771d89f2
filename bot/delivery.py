"""Brings the outbox to the rooms: in order per room, within each room's rate, until it arrives.

A card is drawn from the rows at the moment it is sent, so a late card is never an old card.  Each
try is written down before it is made; a try whose end nobody saw is repeated with ``doubt``, and a
platform that can then looks for the earlier copy instead of posting a second one.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from bot.links import Links
from bot.metrics import SENDS
from bot.platforms.port import Draft, Platform, SendGone, SendRefused, SendRetry
from handlers import buttons, replies, subjects
from handlers.card import Card
from handlers.inbound import RoomAddress
from prompts.texts import LANGUAGES
from storage import cards, outbox, rooms
from storage.cards import CardCopy
from storage.database import Away, Database, Transaction
from storage.outbox import Parcel
from storage.rooms import Room

log = logging.getLogger(__name__)

_MOST_DRAWS = 3
"""Tries to draw a parcel: one that fails each time is a bug, and must not block its room."""


_QUICK_TRIES = 5
"""Tries without a longer pause than the room itself asks for."""

_LONGEST_PAUSE_S = 30.0


@dataclass(frozen=True)
class DeliverySettings:
    """How hard to try."""

    give_up_after_hours: int = 24
    """Hours after which a parcel that cannot be delivered is given up; /pending then says so."""

    look_every_s: float = 1.0
    """Seconds between looks when nothing was announced (postponed parcels come due)."""

    send_within_s: float = 60.0
    """Seconds after which a send that does not end counts as lost, and is tried again in doubt."""


@dataclass(frozen=True)
class _Sending:
    """A parcel ready to go: what, where, and which copy of a card it is."""

    parcel: Parcel
    room: Room
    draft: Draft
    version: int
    copy: CardCopy | None = None
    shown: str = ""


@dataclass(frozen=True)
class _Fate:
    """What became of a try: it arrived as ``message``, or ``why`` it did not."""

    message: str | None = None
    why: str = ""
    again_in: float | None = None
    """Seconds until the next try; None = there will be none."""


class Delivery:
    """One per process."""

    def __init__(
        self,
        db: Database,
        links: Links,
        settings: DeliverySettings,
        our_turn: Callable[[], bool] = lambda: True,
    ) -> None:
        """``our_turn`` is asked right before each send: another process may have taken over."""
        self._db = db
        self._links = links
        self._settings = settings
        self._our_turn = our_turn
        self._busy: dict[tuple[int, bool], asyncio.Task[None]] = {}
        self._free_at: dict[int, float] = {}
        self._closing = False
        self.turned = time.monotonic()
        """When the loop last went round."""

    async def serve(self) -> None:
        """Run until cancelled."""
        async with self._db.listen("outbox") as news:
            while True:
                self.turned = time.monotonic()
                news.clear()
                await self._start_rooms()
                with contextlib.suppress(TimeoutError):
                    # Not wait_for: on Python 3.11 it loses a cancel that comes with news.
                    async with asyncio.timeout(self._settings.look_every_s):
                        await news.wait()

    async def drain(self) -> None:
        """Begin no more sends, and wait for those under way. The rest stays in the outbox."""
        self._closing = True
        while self._busy:
            await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def _start_rooms(self) -> None:
        by_lane: dict[tuple[int, bool], list[Parcel]] = defaultdict(list)
        if self._closing:
            return
        async with self._db.read() as tx:
            for personal in (True, False):
                busy = [room_id for room_id, kind in self._busy if kind is personal]
                for parcel in await outbox.waiting(tx, 500, busy, personal=personal):
                    by_lane[parcel.room_id, personal].append(parcel)
        for lane, parcels in by_lane.items():
            if lane not in self._busy:
                self._start(lane, parcels)

    def _start(self, lane: tuple[int, bool], parcels: list[Parcel]) -> None:
        room_id, personal = lane
        work = self._serve_people(parcels) if personal else self._serve_room(room_id, parcels)
        task = asyncio.create_task(work, name=f"room-{room_id}")
        self._busy[lane] = task

        def end(finished: asyncio.Task[None]) -> None:
            self._busy.pop(lane, None)
            if not finished.cancelled() and finished.exception() is not None:
                # Not announced: what cannot be stored now is looked at again in a second.
                error = finished.exception()
                trace = None if isinstance(error, Away) else error
                log.error("room %s: delivery broke: %s", room_id, error, exc_info=trace)
            else:
                self._db.announce({"outbox"})

        task.add_done_callback(end)

    async def _serve_people(self, parcels: list[Parcel]) -> None:
        """Answers to people who wait: at once and side by side, whatever the room's own pace."""
        try:
            sendings = await self._prepare(parcels)
        except Away:
            raise
        except Exception:  # noqa: BLE001 – the boundary: one at a time finds the one to blame
            each = [await self._prepare_alone(parcel) for parcel in parcels]
            sendings = [sending for found in each for sending in found or ()]
        fates = await asyncio.gather(*(self._try(sending) for sending in sendings))
        await self._record(list(zip(sendings, fates, strict=True)))

    async def _serve_room(self, room_id: int, parcels: list[Parcel]) -> None:
        for parcel in parcels:
            wait = self._free_at.get(room_id, 0.0) - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            if self._closing:
                return
            ready = await self._prepare_alone(parcel)
            if ready is None:
                return
            for sending in ready:
                fate = await self._try(sending)
                await self._record([(sending, fate)])
                if fate.again_in is not None:
                    return  # order is kept: what is behind waits too

    async def _try(self, sending: _Sending) -> _Fate:
        """One try, whatever comes of it."""
        if not self._our_turn():
            return _Fate(why="another process sends now", again_in=0.0)
        try:
            platform = self._links.sender(sending.room.platform)
            if sending.parcel.kind not in outbox.PERSONAL:
                self._free_at[sending.room.id] = time.monotonic() + platform.per_room_interval
            async with asyncio.timeout(self._settings.send_within_s):
                return _Fate(message=await self._send(platform, sending))
        except TimeoutError:
            why = f"{sending.room.platform}: no end within {self._settings.send_within_s:g} s"
            return _Fate(why=why, again_in=max(5.0, _patience(sending.parcel)))
        except SendRetry as retry:
            return _Fate(why=str(retry), again_in=max(retry.delay, _patience(sending.parcel)))
        except SendRefused as refused:
            return _Fate(why=str(refused))
        # The boundary: one room's trouble stays in that room.
        except Exception as error:
            log.exception("outbox %s: sending failed", sending.parcel.id)
            return _Fate(why=repr(error), again_in=min(60.0, 2.0**sending.parcel.attempts))

    async def _record(self, tries: list[tuple[_Sending, _Fate]]) -> None:
        """Write down what became of each try."""
        async with self._db.write() as tx:
            for sending, fate in tries:
                await self._settle(tx, sending, fate)

    async def _settle(self, tx: Transaction, sending: _Sending, fate: _Fate) -> None:
        parcel, platform = sending.parcel, sending.room.platform
        too_old = tx.now - parcel.created_at > self._settings.give_up_after_hours * 3_600_000
        if fate.message is not None:
            SENDS.labels(platform, parcel.kind, "sent").inc()
            if sending.copy is not None:
                await cards.posted(tx, sending.copy.id, fate.message, sending.shown)
            await outbox.sent(tx, parcel.id, sending.version)
        elif fate.again_in is not None and not too_old:
            SENDS.labels(platform, parcel.kind, "retry").inc()
            await outbox.postpone(tx, parcel.id, fate.why, int(fate.again_in * 1000))
        else:
            SENDS.labels(platform, parcel.kind, "refused").inc()
            log.error("outbox %s to %s: given up: %s", parcel.id, sending.room.address, fate.why)
            await outbox.give_up(tx, parcel.id, fate.why)

    async def _send(self, platform: Platform, sending: _Sending) -> str:
        room, draft = sending.room, sending.draft
        address = RoomAddress(room.platform, room.tenant, room.address)
        if sending.copy is not None and sending.copy.message:
            try:
                return await platform.edit(address, sending.copy.message, draft)
            except SendGone:
                return await platform.post(address, draft)
        user = sending.parcel.body.get("user")
        if user is None:
            return await platform.post(address, draft)
        if sending.parcel.kind == "form":
            token = sending.parcel.body["token"]
            if not await platform.ask_reason(address, user, token, draft):
                await platform.whisper(address, user, _fallback(sending))
        else:
            await platform.whisper(address, user, draft)
        return ""

    async def _prepare(self, parcels: list[Parcel]) -> list[_Sending]:
        """Draw what is to be sent and write the tries down. What is gone or shown is left out."""
        async with self._db.write() as tx:
            found = [await self._prepare_one(tx, parcel) for parcel in parcels]
        return [sending for sending in found if sending is not None]

    async def _prepare_alone(self, parcel: Parcel) -> list[_Sending] | None:
        """As ``_prepare``, for one parcel whatever it holds; None: it has to wait."""
        try:
            return await self._prepare([parcel])
        except Away:
            # No fault of this parcel, and no try of it.
            raise
        # The boundary: a parcel that cannot be drawn must not hold up its room for good.
        except Exception as error:
            log.exception("outbox %s cannot be drawn", parcel.id)
            why = f"{type(error).__name__}: {error}"[:500]
        async with self._db.write() as tx:
            await outbox.begin_try(tx, parcel.id)
            if parcel.attempts + 1 < _MOST_DRAWS:
                await outbox.postpone(tx, parcel.id, why, 2000 << parcel.attempts)
                return None
            log.error("outbox %s: given up", parcel.id)
            await outbox.give_up(tx, parcel.id, why)
        return []

    async def _prepare_one(self, tx: Transaction, parcel: Parcel) -> _Sending | None:
        room = await rooms.by_id(tx, parcel.room_id)
        version = await outbox.begin_try(tx, parcel.id)
        if room is None or version is None:
            return None
        if parcel.kind == "card":
            return await self._prepare_card(tx, parcel, room, version)
        body = parcel.body
        tokens = await buttons.issue_for_choices(
            tx,
            room.id,
            body.get("person_id"),
            body.get("choices", []),
            None if body.get("many") else parcel.id,
        )
        drawn = {code: replies.draw(body, code, tokens).without_secrets() for code in LANGUAGES}
        language = body.get("language") or room.language
        context = body.get("context", {})
        draft = Draft(parcel.id, drawn, language, context, doubt=parcel.attempts > 0)
        return _Sending(parcel, room, draft, version)

    async def _prepare_card(
        self, tx: Transaction, parcel: Parcel, room: Room, version: int
    ) -> _Sending | None:
        assert parcel.subject is not None
        copy = await cards.copy_in(tx, parcel.subject, room.id)
        drawn = await subjects.draw(tx, copy) if copy is not None else None
        if copy is None or drawn is None:
            await outbox.give_up(tx, parcel.id, "the subject of this card is gone")
            return None
        shown_cards = {code: card.without_secrets() for code, card in drawn.cards.items()}
        shown = _fingerprint(shown_cards)
        if copy.message and copy.shown == shown:
            await outbox.sent(tx, parcel.id, version)
            return None
        draft = Draft(parcel.id, shown_cards, room.language, drawn.itsm, doubt=parcel.attempts > 0)
        return _Sending(parcel, room, draft, version, copy, shown)


def _patience(parcel: Parcel) -> float:
    """Least seconds to the next try. A room that is away for an hour is not asked every second."""
    return min(_LONGEST_PAUSE_S, 2.0 ** min(parcel.attempts - _QUICK_TRIES, 10))


def _fallback(sending: _Sending) -> Draft:
    """The form could not be opened: say how to give the reason by command."""
    body = {"text": sending.parcel.body["fallback"]}
    drawn = {code: replies.draw(body, code, []).without_secrets() for code in LANGUAGES}
    return replace(sending.draft, cards=drawn)


def _fingerprint(drawn: Mapping[str, Card]) -> str:
    packed = json.dumps({code: card.to_json() for code, card in drawn.items()}, sort_keys=True)
    return hashlib.sha256(packed.encode()).hexdigest()
