"""The people and rooms of the configuration: ``[[person]]`` and ``[[room]]``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass

from bot.settings_reading import Source, blame_twice, place_of, read, tables
from prompts.texts import DEFAULT_LANGUAGE, LANGUAGES
from storage.people import ITSELF, Account, Listing, Role
from storage.rooms import RoomListing

_SLACK_ID = re.compile(r"[A-Z0-9]{2,32}", re.ASCII)
_PLAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}", re.ASCII)
_CHAT_ID = re.compile(r"-?[0-9]{1,20}", re.ASCII)


@dataclass(frozen=True)
class PersonEntry:
    """Somebody who may talk to Watchstander. Whoever is not listed is not listened to."""

    name: str
    """The name on cards and in the audit log; unique, and kept for good."""

    role: str
    """AGENT (a program), REQUESTER (may ask), ENGINEER (may decide HIGH) or ADMIN (CRITICAL)."""

    language: str = DEFAULT_LANGUAGE
    """Language of what this person is told: en, ko or zh-TW."""

    skills: tuple[str, ...] = ()
    """Types of request that are given to this person: DEPLOY, RESTART, LOG, INQUIRY, OTHER."""

    on_call: bool = False
    """Is told of escalations, and given what nobody has the skill for."""

    slack: tuple[str, ...] = ()
    """Slack accounts as "TEAM/USER", e.g. "T012AB3C4/U0G9QF9C6"; one or a list."""

    telegram: tuple[int, ...] = ()
    """Telegram user ids (numbers, not names); one or a list."""

    messenger: tuple[str, ...] = ()
    """Accounts of other messengers as "source/user"; one or a list."""


@dataclass(frozen=True)
class RoomEntry:
    """A room where listed people may work."""

    address: str
    """slack:TEAM/CHANNEL, telegram:CHAT, web:NAME or messenger:SOURCE/ROOM."""

    name: str = ""
    """What the room is called on pages and cards; the address when empty."""

    language: str = DEFAULT_LANGUAGE
    """Language of what the whole room is told: en, ko or zh-TW."""

    cards: bool = True
    """Every action's card is shown here, wherever it was asked for."""

    approvals: bool = False
    """Escalations come here."""

    webhook_url: str = ""
    """messenger rooms only: where the bot's messages to this room are posted."""


def read_people(raw: object, source: Source) -> tuple[Listing, ...]:
    """Everybody of ``[[person]]``; what is wrong goes to the problems."""
    entries: list[tuple[str, PersonEntry]] = []
    for number, table in enumerate(tables(raw, "[[person]]", source), 1):
        place = place_of("[[person]]", number, table, "name")
        entry = read(PersonEntry, table, place, source)
        if entry is not None:
            entries.append((place, entry))
    listings = [_listing(place, entry, source) for place, entry in entries]
    blame_twice([(p, e.name.casefold()) for p, e in entries], "the name", source)
    accounts = [
        (place, account)
        for (place, _), listing in zip(entries, listings, strict=True)
        for account in listing.accounts
    ]
    blame_twice([(p, "/".join(_parts(a))) for p, a in accounts], "the account", source)
    return tuple(listings)


def read_rooms(raw: object, source: Source) -> tuple[tuple[RoomListing, ...], dict[str, str]]:
    """The rooms of ``[[room]]``, and ``source/room`` → webhook URL of the messengers' rooms."""
    listings: list[RoomListing] = []
    places: list[tuple[str, str]] = []
    urls: dict[str, str] = {}
    for number, table in enumerate(tables(raw, "[[room]]", source), 1):
        place = place_of("[[room]]", number, table, "address")
        entry = read(RoomEntry, table, place, source)
        if entry is None:
            continue
        _check_language(place, entry.language, source)
        found = _address(place, entry.address, source)
        if found is None:
            continue
        platform, tenant, address = found
        _check_webhook(place, platform, entry.webhook_url, source)
        if entry.webhook_url:
            urls[f"{tenant}/{address}"] = entry.webhook_url
        name = entry.name or entry.address
        listings.append(
            RoomListing(
                platform, tenant, address, name, entry.language, entry.cards, entry.approvals
            )
        )
        places.append((place, entry.address))
    blame_twice(places, "the address", source)
    return tuple(listings), urls


def check_platforms(
    rooms: Collection[RoomListing],
    people: Collection[Listing],
    platforms: Collection[str],
    messengers: Collection[str],
    source: Source,
) -> None:
    """Note rooms and accounts on a platform that the file does not set up."""
    used = [(f"[[room]] {_written(r)}", r.platform, r.tenant) for r in rooms]
    used += [
        (f"[[person]] {listing.name}", account.platform, account.tenant)
        for listing in people
        for account in listing.accounts
    ]
    for place, platform, tenant in used:
        if platform == "messenger" and tenant not in messengers:
            source.blame(place, f"no messenger {tenant}; add a table [messenger.{tenant}]")
        elif platform not in platforms:
            source.blame(place, f"{platform} is not set up; add a table [{platform}]")


def _written(room: RoomListing) -> str:
    tenant = f"{room.tenant}/" if room.tenant else ""
    return f"{room.platform}:{tenant}{room.address}"


def _listing(place: str, entry: PersonEntry, source: Source) -> Listing:
    _check_name(place, entry.name, source)
    _check_language(place, entry.language, source)
    if entry.role not in Role.__members__:
        names = ", ".join(Role.__members__)
        source.blame(f"{place} role", f"no such role {entry.role!r}; one of {names}")
    role = Role.__members__.get(entry.role, Role.AGENT)
    return Listing(
        entry.name,
        role,
        entry.language,
        entry.skills,
        entry.on_call,
        tuple(_accounts(place, entry, source)),
    )


def _accounts(place: str, entry: PersonEntry, source: Source) -> list[Account]:
    found = [Account("telegram", "", str(number)) for number in entry.telegram]
    for written in entry.slack:
        team, _, user = written.partition("/")
        if not (_SLACK_ID.fullmatch(team) and _SLACK_ID.fullmatch(user)):
            source.blame(
                f"{place} slack", f"{written!r} is not TEAM/USER, e.g. T012AB3C4/U0G9QF9C6"
            )
        found.append(Account("slack", team, user))
    for written in entry.messenger:
        name, _, user = written.partition("/")
        if not (_PLAIN_ID.fullmatch(name) and user):
            source.blame(f"{place} messenger", f"{written!r} is not SOURCE/USER, e.g. kakao/min")
        found.append(Account("messenger", name, user))
    return found


def _address(place: str, written: str, source: Source) -> tuple[str, str, str] | None:
    """Platform, tenant and address of a room; None when it is written in no known way."""
    platform, _, rest = written.partition(":")
    first, slash, second = rest.partition("/")
    if platform == "slack" and _SLACK_ID.fullmatch(first) and _SLACK_ID.fullmatch(second):
        return platform, first, second
    if platform == "messenger" and _PLAIN_ID.fullmatch(first) and second.strip():
        return platform, first, second
    if platform == "telegram" and not slash and _CHAT_ID.fullmatch(rest):
        return platform, "", rest
    if platform == "web" and not slash and _PLAIN_ID.fullmatch(rest):
        return platform, "", rest
    source.blame(
        f"{place} address",
        f"{written!r} is no room; write slack:TEAM/CHANNEL, telegram:CHAT (a number), web:NAME "
        "or messenger:SOURCE/ROOM",
    )
    return None


def _check_name(place: str, name: str, source: Source) -> None:
    odd = any(unicodedata.category(letter)[0] == "C" or letter in "/@" for letter in name)
    if odd or not name.strip() or name != name.strip() or len(name) > 64:
        source.blame(
            f"{place} name", "cannot be used; give 1 to 64 letters without / @ or spaces around"
        )
    if name.casefold() == ITSELF.casefold():
        source.blame(f"{place} name", "is the bot's own; give the person another")


def _check_language(place: str, language: str, source: Source) -> None:
    if language not in LANGUAGES:
        known = ", ".join(LANGUAGES)
        source.blame(f"{place} language", f"{language!r} is not spoken here; one of {known}")


def _check_webhook(place: str, platform: str, url: str, source: Source) -> None:
    if not url:
        return
    if platform != "messenger":
        source.blame(f"{place} webhook_url", "is for messenger rooms only; remove it")
    elif not url.startswith(("https://", "http://")):
        source.blame(f"{place} webhook_url", "is no web address; begin it with https://")


def _parts(account: Account) -> tuple[str, str, str]:
    return account.platform, account.tenant, account.user
