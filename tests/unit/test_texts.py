"""Every message is there in every language, says the same things, and is used."""

from __future__ import annotations

import ast
import functools
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
from jinja2 import meta

from prompts.texts import (
    DEFAULT_LANGUAGE,
    LANGUAGES,
    Text,
    catalogue,
    clock,
    josa,
    say,
    text,
)
from storage.lifecycle import RequestState, State
from storage.people import Role

ROOT = Path(__file__).parents[2]
CODE = ("bot", "handlers", "engine", "storage", "prompts")
KEYS = sorted(catalogue())
SAMPLES: tuple[Any, ...] = (2, "WAS-01", ["WAS-01", "WAS-02"], {"name": "x"})
HANGUL = re.compile("[가-힣]")
HAN = re.compile("[\u4e00-\u9fff]")
SIMPLIFIED = re.compile("[这来对时说为务动过还没应审线产试认请问统执险维护错误级队]")


def environment() -> jinja2.Environment:
    made = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    made.filters["josa"] = josa
    made.filters["clock"] = clock
    return made


def variables(source: str) -> set[str]:
    return meta.find_undeclared_variables(environment().parse(source))


@pytest.mark.parametrize("key", KEYS)
def test_every_message_is_there_in_every_language(key: str) -> None:
    assert set(catalogue()[key]) == set(LANGUAGES)
    for language, source in catalogue()[key].items():
        assert source.strip(), f"{key} is empty in {language}"


@pytest.mark.parametrize("key", KEYS)
def test_every_language_says_the_same_things(key: str) -> None:
    used = {language: variables(source) for language, source in catalogue()[key].items()}
    assert all(names == used[DEFAULT_LANGUAGE] for names in used.values()), used


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_can_be_said(key: str, language: str) -> None:
    """With some value for each variable: which kind a variable is, only the template knows."""
    names = sorted(variables(catalogue()[key][language]))
    assert len(names) <= 8, "too many values for one sentence"
    reasons = []
    for values in itertools.product(SAMPLES, repeat=len(names)):
        try:
            said = say(Text(key, dict(zip(names, values, strict=True))), language)
        except (TypeError, ValueError, AttributeError, jinja2.TemplateError) as error:
            reasons.append(error)
            continue
        assert "{{" not in said
        assert "{%" not in said
        return
    pytest.fail(f"{key} cannot be said in {language}: {reasons[:3]}")


@pytest.mark.parametrize("key", KEYS)
def test_a_message_is_written_in_its_own_language(key: str) -> None:
    entry = catalogue()[key]
    assert not HANGUL.search(entry["en"]) and not HAN.search(entry["en"])
    assert not HANGUL.search(entry["zh-TW"])
    assert not SIMPLIFIED.search(entry["zh-TW"]), "simplified characters"
    if re.search(r"[A-Za-z]{4,} [a-z]{2,}", re.sub(r"\{[{%].*?[%}]\}|`.*?`", "", entry["en"])):
        # A sentence in English is a sentence in the others, not a copy.
        assert HANGUL.search(entry["ko"]), "not translated"
        assert HAN.search(entry["zh-TW"]), "not translated"


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for folder in CODE:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def asked_for(node: ast.AST) -> ast.expr | None:
    """The key of ``text("key")``, ``Text("key")`` or ``summary="key"``, whatever it is made of."""
    if isinstance(node, ast.Call) and node.args:
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in ("text", "Text"):
            return node.args[0]
    if isinstance(node, ast.keyword) and node.arg == "summary":
        return node.value
    return None


def pattern(node: ast.JoinedStr) -> re.Pattern[str] | None:
    """What an f-string can make, when its fixed part is long enough to say anything."""
    parts = [str(v.value) if isinstance(v, ast.Constant) else None for v in node.values]
    if not re.fullmatch("[a-z_]{4,}", parts[0] or ""):
        return None
    return re.compile("".join(".+" if part is None else re.escape(part) for part in parts))


@functools.cache
def wanted() -> tuple[dict[str, str], dict[re.Pattern[str], str]]:
    """Keys and patterns that code asks for → the place."""
    keys: dict[str, str] = {}
    patterns: dict[re.Pattern[str], str] = {}
    for path, tree in trees():
        if path.is_relative_to(ROOT / "storage"):
            continue  # renders nothing; its ``text`` is SQL
        for node in ast.walk(tree):
            key = asked_for(node)
            place = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                keys[key.value] = place
            elif isinstance(key, ast.JoinedStr):
                found = pattern(key)
                if found is not None:
                    patterns[found] = place
    return keys, patterns


def test_every_message_that_code_asks_for_is_there() -> None:
    keys, patterns = wanted()
    missing = {key: place for key, place in keys.items() if key not in catalogue()}
    assert not missing
    bare = [place for found, place in patterns.items() if not any(map(found.fullmatch, KEYS))]
    assert not bare


def test_every_message_is_asked_for() -> None:
    """By its name anywhere in the code (it may stand in a table), or by an f-string's shape."""
    words: set[str] = set()
    shapes = []
    for _, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                shapes.append(pattern(node))
    unused = [
        key
        for key in KEYS
        if key not in words and not any(shape and shape.fullmatch(key) for shape in shapes)
    ]
    assert not unused


def test_every_state_and_role_has_a_name() -> None:
    keys = {f"state_{state.value}" for state in State}
    keys |= {f"role_{role.name}" for role in Role}
    keys |= {f"request_state_{state.value.lower()}" for state in RequestState}
    assert not keys - set(KEYS)


def test_keys_begin_with_a_letter_and_have_no_dots() -> None:
    assert [key for key in KEYS if not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", key)] == []


def test_a_text_survives_json() -> None:
    inner = text("inner_key", n=1)
    outer = text("outer_key", one=inner, many=[inner, "plain"], word="x")
    assert Text.from_json(outer.to_json()) == outer


def test_a_bare_string_is_data_and_stays_as_it_is() -> None:
    assert say("{{ 7 * 7 }}", "ko") == "{{ 7 * 7 }}"


def test_a_value_is_never_read_as_a_template() -> None:
    key = next(k for k in KEYS if len(variables(catalogue()[k]["en"])) == 1)
    (name,) = variables(catalogue()[key]["en"])
    assert "49" not in say(Text(key, {name: "{{ 7 * 7 }}"}), "en")


def test_an_unknown_language_is_answered_in_the_default_one() -> None:
    key = next(k for k in KEYS if not variables(catalogue()[k]["en"]))
    assert say(text(key), "xx") == say(text(key), DEFAULT_LANGUAGE)


@pytest.mark.parametrize(
    ("word", "pair", "said"),
    [
        ("서버", "을/를", "서버를"),
        ("시스템", "을/를", "시스템을"),
        ("서울", "으로/로", "서울로"),
        ("운영", "으로/로", "운영으로"),
        ("WAS-01", "이/가", "WAS-01이"),
        ("WAS-02", "이/가", "WAS-02가"),
        ("nginx", "은/는", "nginx는"),
        ("mail", "은/는", "mail은"),
    ],
)
def test_korean_particles_follow_the_sound(word: str, pair: str, said: str) -> None:
    assert josa(word, pair) == said
