"""docs/reference/rest.md: every path of the REST API, from its OpenAPI schema."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot import web
from bot.demo_folder import write_folder
from bot.platforms.messenger.platform import MessengerPlatform
from bot.platforms.messenger.routes import messenger_routes
from bot.platforms.messenger.settings import MessengerSettings
from engine.actions.scripts import Scripts
from engine.approvals.proposals import Proposals
from engine.approvals.settings import ApprovalSettings
from engine.approvals.watch import ApprovalWatch
from engine.cycle import Cycle
from engine.inventory import load_inventory
from engine.language.model import ModelSettings
from engine.language.reader import Reader
from engine.planning import Planner, PlanSettings
from engine.requests.desk import Desk
from engine.risk import load_policy
from handlers.api.anomalies import anomaly_routes
from handlers.api.auto import auto_routes
from handlers.api.reference import reference_routes
from handlers.api.requests import request_routes
from handlers.services import Services
from storage.database import Database, DatabaseSettings
from tests.reference.markdown import page, table


def application() -> Any:
    """The web application with the project's own REST routes, over an empty database."""
    db = Database.open(DatabaseSettings("sqlite+aiosqlite://"))
    policy, approvals = load_policy(), ApprovalSettings()
    with tempfile.TemporaryDirectory() as folder:
        write_folder(Path(folder) / "demo", 8484)
        inventory = load_inventory(Path(folder) / "demo" / "inventory.toml")
    proposals = Proposals(Planner(inventory, policy, Scripts(None), PlanSettings()), approvals)
    desk = Desk()
    cycle = Cycle(db, desk, ApprovalWatch(db, proposals, approvals).run_once)
    reader = Reader(inventory, ModelSettings())
    services = Services(db, inventory, reader, proposals, desk, cycle, lambda: [])
    routers = [make(services) for make in (auto_routes, request_routes, anomaly_routes)]
    routers.append(messenger_routes(MessengerPlatform(MessengerSettings(), db)))

    async def ready() -> list[Any]:
        return []

    async def measure() -> None:
        return None

    return web.build([*routers, reference_routes()], ready, measure, None, None, "0")


def page_text() -> str:
    schema = application().openapi()
    parts = [
        "# REST",
        "The same, to read in a browser, is at `/docs` of a running bot; the schema is at"
        " `/openapi.json`. Paths below `/api` need `Authorization: Bearer TOKEN`"
        " (`watchstander token create`). A refusal has the body"
        ' `{"error": why, "message": text}` in the language of the token\'s owner. Times are'
        " milliseconds since 1970 in UTC.",
    ]
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            parts += _operation(path, method, operation)
    parts.append("## Bodies")
    for name, model in sorted(schema.get("components", {}).get("schemas", {}).items()):
        if name in ("HTTPValidationError", "ValidationError"):
            continue
        needed = model.get("required", [])
        rows = [
            (f"`{key}`", _kind(value), "required" if key in needed else _json_default(value))
            for key, value in model.get("properties", {}).items()
        ]
        parts += [
            f"### {name}",
            model.get("description", ""),
            table(("field", "type", "default"), rows),
        ]
    return page(parts)


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> list[str]:
    parts = [f"## {method.upper()} {path}", operation.get("description", "").replace("``", "`")]
    rows = [
        (f"`{p['name']}`", p["in"], _kind(p["schema"]), _needed(p))
        for p in operation.get("parameters", ())
    ]
    if rows:
        parts.append(table(("parameter", "in", "type", "default"), rows))
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    if body:
        parts.append(f"Body: {_kind(body['schema'])}.")
    codes = [code for code in operation["responses"] if code.startswith("2")]
    parts.append(f"Success: {', '.join(codes)}.")
    return parts


def _needed(parameter: Mapping[str, Any]) -> str:
    return "required" if parameter.get("required") else _json_default(parameter["schema"])


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(_kind(one) for one in schema[several]))
    kind = str(schema.get("type", "any"))
    if kind == "array":
        kind = f"list of {_kind(schema.get('items', {}))}"
    limits = [
        f"{word} {schema[key]}"
        for key, word in (
            ("minimum", "from"), ("maximum", "to"), ("minLength", "at least"),
            ("maxLength", "at most"), ("maxItems", "at most"),
        )
        if key in schema
    ]  # fmt: skip
    return f"{kind} ({', '.join(limits)})" if limits else kind


def _json_default(schema: Mapping[str, Any]) -> str:
    return f"`{schema['default']!r}`" if schema.get("default") not in (None, "") else "–"
