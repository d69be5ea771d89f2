"""What is wrong with a body, in words: the field and the problem. And how strict bodies are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from engine.requests.words import quoted
from prompts.texts import Text, text

_NUMBERS = ("int_parsing", "int_type", "int_from_float", "int_parsing_size")
_LISTS = ("list_type", "tuple_type")
_OBJECTS = ("model_attributes_type", "model_type")
_SIZES = {
    "string_too_long": ("api_problem_long", "max_length"),
    "too_long": ("api_problem_long", "max_length"),
    "string_too_short": ("api_problem_short", "min_length"),
    "too_short": ("api_problem_short", "min_length"),
}
_RANGES = {
    "greater_than_equal": ("≥", "ge"),
    "less_than_equal": ("≤", "le"),
}
_UNSTORABLE = "unstorable"
_BAD_CHARACTER = re.compile("[\\0\ud800-\udfff]")
_PLAIN = {
    _UNSTORABLE: "api_problem_unstorable",
    "missing": "api_problem_missing",
    "string_type": "api_problem_string",
    "dict_type": "api_problem_dict",
    **dict.fromkeys(_NUMBERS, "api_problem_integer"),
    **dict.fromkeys(_LISTS, "api_problem_list"),
    **dict.fromkeys(_OBJECTS, "api_problem_object"),
}


class Strict(BaseModel):
    """A request body. Unknown fields are refused, and text that no database can keep."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, raw: Any) -> Any:
        for name, value in raw.items() if isinstance(raw, Mapping) else ():
            if not _can_be_stored([name, value]):
                raise PydanticCustomError(
                    _UNSTORABLE, "text that cannot be stored", {"field": name}
                )
        return raw


def first_problem(error: RequestValidationError) -> Text:
    """The first problem, named by its place: ``targets.0``, ``query.limit``."""
    problem = error.errors()[0]
    place = [str(part) for part in problem["loc"]]
    if problem["type"] == "json_invalid":
        return text(
            "api_invalid_field", field="body", problem=text("api_problem_json", at=place[-1])
        )
    if place[0] == "body":
        place = place[1:] or ["body"]
    if problem["type"] == _UNSTORABLE:
        place = [problem["ctx"]["field"]]
    if place[0] == "params" and len(place) > 2:
        # One of the types that a parameter may have did not fit; all of them are meant.
        field = quoted(".".join(place[:2]))
        return text("api_invalid_field", field=field, problem=text("api_problem_scalar"))
    field = quoted(".".join(place))
    return text("api_invalid_field", field=field, problem=_problem(problem))


def _problem(problem: Mapping[str, Any]) -> Text:
    kind, context = problem["type"], problem.get("ctx", {})
    if kind in _PLAIN:
        return text(_PLAIN[kind])
    if kind in _SIZES:
        key, name = _SIZES[kind]
        return text(key, limit=context[name])
    if kind in _RANGES:
        sign, name = _RANGES[kind]
        return text("api_problem_range", limit=f"{sign} {context[name]}")
    return text("api_problem_extra") if kind == "extra_forbidden" else _other(problem)


def _other(problem: Mapping[str, Any]) -> Text:
    return text("api_problem_other", what=quoted(str(problem["msg"])))


def _can_be_stored(raw: Any) -> bool:
    """No text in it holds U+0000 (PostgreSQL refuses it) or half a surrogate pair (all do)."""
    waiting = [raw]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and _BAD_CHARACTER.search(value):
            return False
    return True
