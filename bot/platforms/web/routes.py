"""The page, the sign-in and the socket as routes of the web server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, WebSocket
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response

from bot.platforms.web import door
from bot.platforms.web.banner import banner
from bot.platforms.web.frames import TEXT_LIMIT
from bot.platforms.web.page import page_texts
from bot.platforms.web.platform import WebPlatform
from bot.platforms.web.socket import HISTORY, history_frame
from engine.upkeep.expiry import Upkeep
from handlers.api.wrong_tokens import address_of
from prompts.texts import LANGUAGES, say, text
from storage import messages, rooms
from storage.people import Person
from storage.tokens import Verdict

_STATIC = Path(__file__).parent / "static"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_FILES = {path.name: path for path in _STATIC.iterdir() if path.suffix in _TYPES}
_FORM_LIMIT = 4096

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: a form would then be sent with the origin "null", as if from elsewhere.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def routes(
    platform: WebPlatform, upkeep: Upkeep | None = None, coded: Sequence[str] = ()
) -> APIRouter:
    """All routes of the web room. ``upkeep`` None: there is nothing that ends.

    ``coded``: the levels whose approval takes the code of a second factor.
    """
    router = APIRouter(include_in_schema=False)
    _add_page(router)
    _add_sign_in(router, platform)
    _add_answers(router, platform, coded)
    _add_banner(router, platform, upkeep)

    @router.websocket("/ws/chat/{room}/{client}/{kind}")
    async def chat(socket: WebSocket, room: str, client: str, kind: str) -> None:
        await platform.chat(socket, room, client, kind)

    return router


def _add_page(router: APIRouter) -> None:
    @router.get("/")
    async def page() -> Response:
        return _page()

    @router.get("/static/{name}")
    async def static(name: str) -> Response:
        path = _FILES.get(name)
        if path is None:
            return Response(status_code=404, headers=_HEADERS)
        # The browser asks again each time, so no page outlives an update.
        headers = {**_HEADERS, "Cache-Control": "no-cache"}
        return FileResponse(path, media_type=_TYPES[path.suffix], headers=headers)


class _Entrance:
    """Signing in and out."""

    def __init__(self, platform: WebPlatform) -> None:
        self._platform = platform

    async def enter(self, request: Request, token: str) -> Response:
        settings, db = self._platform.settings, self._platform.db
        address = address_of(request)
        if not await door.may_try(db, address):
            return _page("slow", 429)
        verdict, session = await door.sign_in(db, settings, token, address)
        if verdict is not Verdict.VALID:
            return _page(verdict.value, 401)
        # One browser, one session: what it had before is of no more use to anybody.
        await self._end_session(request)
        response = RedirectResponse("/", 303, headers=_HEADERS)
        door.set_cookie(response, settings, session)
        return response

    async def leave(self, request: Request) -> Response:
        await self._end_session(request)
        response = RedirectResponse("/", 303, headers=_HEADERS)
        door.drop_cookie(response, self._platform.settings)
        return response

    async def _end_session(self, request: Request) -> None:
        credential = door.credential_of(request)
        if credential is not None and credential.kind == "session":
            ended = await door.sign_out(self._platform.db, credential.secret)
            self._platform.hub.end_session(ended)

    def from_our_page(self, request: Request) -> bool:
        """Forms of other sites are refused: they could sign a person in as somebody else."""
        headers = request.headers
        return self._platform.settings.origin_allowed(headers.get("origin"), headers.get("host"))


def _add_sign_in(router: APIRouter, platform: WebPlatform) -> None:
    entrance = _Entrance(platform)

    @router.get("/sign-in/{token}")
    async def follow_link(request: Request, token: str) -> Response:
        return await entrance.enter(request, token)

    @router.post("/sign-in")
    async def paste_token(request: Request) -> Response:
        if not entrance.from_our_page(request):
            return _page("origin", 403)
        pasted = parse_qs(await _small_body(request)).get("token", [""])[0]
        # People paste the whole link as often as the token alone.
        return await entrance.enter(request, pasted.strip().rpartition("/sign-in/")[2])

    @router.post("/sign-out")
    async def leave(request: Request) -> Response:
        if not entrance.from_our_page(request):
            return _page("origin", 403)
        return await entrance.leave(request)


def _add_answers(router: APIRouter, platform: WebPlatform, coded: Sequence[str]) -> None:
    @router.get("/api/web/me")
    async def me(request: Request) -> Response:
        found = await door.visitor(request, platform.db)
        if found.person is None:
            language = door.browser_language(request.headers.get("accept-language", ""))
            answer = {"error": found.verdict, "language": language, "texts": page_texts(language)}
            return JSONResponse(answer, 401, headers=_HEADERS)
        about = _about(platform, found.person) | {"codes": list(coded)}
        return JSONResponse(about, headers=_HEADERS)

    @router.get("/api/web/history")
    async def history(request: Request, room: str, before: str) -> Response:
        found = await door.visitor(request, platform.db)
        if found.person is None:
            return JSONResponse({"error": found.verdict}, 401, headers=_HEADERS)
        async with platform.db.read() as tx:
            place = await rooms.find(tx, "web", "", room)
            edge = await messages.by_key(tx, before)
            if place is None or not place.listed or edge is None:
                return JSONResponse({"error": "missing"}, 404, headers=_HEADERS)
            page = await messages.latest(tx, place.id, HISTORY + 1, found.person.id, edge.id)
        return JSONResponse(history_frame(page, found.person.language), headers=_HEADERS)


def _add_banner(router: APIRouter, platform: WebPlatform, upkeep: Upkeep | None) -> None:
    @router.get("/api/web/expiry")
    async def expiry(request: Request) -> Response:
        found = await door.visitor(request, platform.db)
        if found.person is None:
            return JSONResponse({"error": found.verdict}, 401, headers=_HEADERS)
        shown = await banner(platform.db, upkeep, found.person.language)
        return JSONResponse(shown, headers=_HEADERS)


def _about(platform: WebPlatform, person: Person) -> dict[str, Any]:
    language = person.language if person.language in LANGUAGES else LANGUAGES[0]
    return {
        "person": {"name": person.name, "role": person.role.name},
        "rooms": [
            {"address": listing.address, "name": listing.name or listing.address}
            for listing in platform.listings
        ],
        "language": language,
        "bot": platform.settings.bot_name,
        "commands": [
            {"name": name, "summary": summary}
            for name, summary in platform.commands.get(language, ())
        ],
        "limit": TEXT_LIMIT,
        "too_long": say(text("web_error_too_long", limit=TEXT_LIMIT), language),
        "texts": page_texts(language),
    }


async def _small_body(request: Request) -> str:
    """The body of our little form; of anything larger only the beginning is read."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _FORM_LIMIT:
            break
    return bytes(body[:_FORM_LIMIT]).decode("utf-8", "replace")


def _page(problem: str = "", status: int = 200) -> Response:
    """The one page; ``problem`` is a word of ours that the sign-in view explains."""
    html = (_STATIC / "index.html").read_text(encoding="utf-8")
    return HTMLResponse(
        html.replace('data-problem=""', f'data-problem="{problem}"'), status, headers=_HEADERS
    )
