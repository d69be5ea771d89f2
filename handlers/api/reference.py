"""/docs: the reference of the REST API, drawn from /openapi.json by a page of our own.

FastAPI's own pages load their scripts from a CDN; here nothing leaves the machine.  The page runs
under a strict content policy and puts all text in as text.  It asks for no token: it shows what
can be called, and nothing that was said or done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import Response

_HERE = Path(__file__).parent
_FILES = {
    "/docs": ("reference.html", "text/html; charset=utf-8"),
    "/docs/reference.js": ("reference.js", "text/javascript; charset=utf-8"),
    "/docs/reference.css": ("reference.css", "text/css; charset=utf-8"),
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def reference_routes() -> APIRouter:
    """The page and its two files. The app must serve /openapi.json and set ``docs_url=None``."""
    router = APIRouter(include_in_schema=False)
    for path, (name, media_type) in _FILES.items():
        router.add_api_route(path, _serve(_HERE / name, media_type), methods=["GET"])
    return router


def _serve(file: Path, media_type: str) -> Callable[[], Awaitable[Response]]:
    content = file.read_bytes()

    async def serve() -> Response:
        return Response(content, media_type=media_type, headers=_HEADERS)

    return serve
