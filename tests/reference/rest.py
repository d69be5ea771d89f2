"""docs/reference/rest.md: every path of the REST API, from its OpenAPI schema."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot import serving
from bot.app import App
from bot.demo_folder import write_folder
from bot.platforms.messenger.settings import MessengerSettings
from bot.settings import load_settings
from tests.reference.markdown import page, table
from tests.ssh_keys import write_keys


def application() -> Any:
    """The web application as the demo has it, with the messengers' door, over no database yet."""
    with tempfile.TemporaryDirectory() as folder:
        demo = Path(folder) / "demo"
        write_folder(demo, 8484)
        write_keys(demo / "hosts")
        settings = load_settings(demo / "config.toml")
        return serving.application(
            App(dataclasses.replace(settings, messenger=MessengerSettings()))
        )


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
