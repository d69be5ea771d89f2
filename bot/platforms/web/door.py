"""Who is at the door: the browser's session cookie or a program's bearer token."""

from __future__ import annotations

from starlette.requests import HTTPConnection
from starlette.responses import Response

from bot.platforms.web.hub import Credential
from bot.platforms.web.settings import WebSettings
from prompts.texts import DEFAULT_LANGUAGE
from storage import failures, messages, tokens
from storage.database import Database
from storage.tokens import Finding, Verdict

COOKIE = "watchstander_session"
_WHAT = "sign-in"
_TRIES = 10
_WITHIN_MS = 5 * 60_000
_DAY_S = 86_400


def credential_of(connection: HTTPConnection) -> Credential | None:
    """What a request or socket identifies itself with. A bearer token goes before a cookie."""
    header = connection.headers.get("authorization")
    if header is not None:
        scheme, _, secret = header.partition(" ")
        return Credential(secret.strip(), "api") if scheme.lower() == "bearer" else None
    cookie = connection.cookies.get(COOKIE)
    return Credential(cookie, "session") if cookie else None


async def visitor(connection: HTTPConnection, db: Database) -> Finding:
    """The person behind a request; the verdict says why there is none."""
    credential = credential_of(connection)
    if credential is None:
        return Finding(Verdict.UNKNOWN)
    async with db.read() as tx:
        return await tokens.examine(tx, credential.secret, credential.kind)


async def may_try(db: Database, address: str) -> bool:
    """Whether an address may try to sign in: after ten wrong links in five minutes it may not, for
    five more. The tries are rows, so that it holds in every replica and after a restart."""
    async with db.read() as tx:
        return await failures.locked_until(tx, _WHAT, address, _TRIES, _WITHIN_MS) is None


async def sign_in(
    db: Database, settings: WebSettings, link: str, address: str
) -> tuple[Verdict, str]:
    """Trade a sign-in link's token for a session; gives the session's secret, "" when refused.

    A wrong link counts against the address.
    """
    life_ms = int(settings.session_days * _DAY_S * 1000)
    async with db.write() as tx:
        found = await tokens.redeem(tx, link)
        if found.person is None:
            await failures.note(tx, _WHAT, address)
            return found.verdict, ""
        return found.verdict, await tokens.create(tx, found.person.id, "session", life_ms)


async def sign_out(db: Database, secret: str) -> int:
    """End a session for good, and tell every process. Gives its row id, 0 when there was none."""
    async with db.write() as tx:
        found = await tokens.examine(tx, secret, "session")
        await tokens.revoke(tx, secret)
        tx.tell(messages.NEWS, f"{messages.SESSION_ENDED}{found.token_id}")
    return found.token_id


def set_cookie(response: Response, settings: WebSettings, secret: str) -> None:
    """Lax, not Strict: a sign-in link is opened from a mail or a chat, and Strict would hold the
    fresh cookie back on the redirect that follows. The WebSocket checks its origin itself."""
    response.set_cookie(
        COOKIE,
        secret,
        max_age=int(settings.session_days * _DAY_S),
        httponly=True,
        samesite="lax",
        secure=settings.secure,
    )


def drop_cookie(response: Response, settings: WebSettings) -> None:
    """Make the browser forget its session."""
    response.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=settings.secure)


def browser_language(accepted: str) -> str:
    """The best of our languages for an Accept-Language header, for people we do not know yet."""
    for part in accepted.split(","):
        tag = part.partition(";")[0].strip().lower()
        if tag.startswith("ko"):
            return "ko"
        if tag.startswith("zh"):
            return "zh-TW"
        if tag.startswith("en"):
            return "en"
    return DEFAULT_LANGUAGE
