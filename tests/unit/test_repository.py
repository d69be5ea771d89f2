"""The repository keeps its own rules: sizes, places, names, and settings that are documented."""

from __future__ import annotations

import ast
import dataclasses
import fnmatch
import inspect
import os
import re
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.platforms.messenger.settings import MessengerSettings
from bot.settings import OPTIONAL, SECTIONS, MessengerSource, load_settings
from bot.settings_people import PersonEntry, RoomEntry
from engine.healing.checks import Check
from engine.nudges import NudgeRule

ROOT = Path(__file__).parents[2]
CODE = ("bot", "handlers", "engine", "storage", "prompts")
TOP_LEVEL = {
    *CODE,
    ".ci",
    ".git",
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "config.example.toml",
    "deploy",
    "docs",
    "pyproject.toml",
    "requirements.lock",
    "tests",
}
EMPTY_WORDS = {"manager", "helper", "helpers", "util", "utils", "common", "misc", "data", "info"}
EMPTY_WORDS |= {"base", "stuff", "core", "lib", "tools"}
EXAMPLE = ROOT / "config.example.toml"


def files(*folders: str, suffix: str) -> list[Path]:
    found = (path for folder in folders for path in (ROOT / folder).rglob(f"*{suffix}"))
    return sorted(path for path in found if "__pycache__" not in path.parts)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


SOURCES = files(*CODE, "tests", suffix=".py")


@pytest.mark.parametrize("path", [*SOURCES, *files("bot", suffix=".js")], ids=name)
def test_files_are_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines < 400


@pytest.mark.parametrize("path", files(*CODE, suffix=".py"), ids=name)
def test_functions_are_short(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    lengths = {n.name: (n.end_lineno or 0) - n.lineno + 1 for n in functions}
    assert {found: length for found, length in lengths.items() if length >= 50} == {}


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_names_say_what_is_inside(path: Path) -> None:
    words = {word for part in path.relative_to(ROOT).parts for word in re.split(r"[_.]", part)}
    assert not words & EMPTY_WORDS


@pytest.mark.parametrize("path", files(*CODE, suffix=".py"), ids=name)
def test_public_things_say_what_they_are(path: Path) -> None:
    """Each module, class and function; a command's one function is told by its module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if tree.body and path.name != "__init__.py":
        assert ast.get_docstring(tree), "the module has no docstring"
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    bare = [
        node.name
        for node in tree.body
        if isinstance(node, kinds) and not node.name.startswith("_")
        if not ast.get_docstring(node) and not {"migrations", "commands"} & set(path.parts)
        if not _says_it_itself(node)
    ]
    assert bare == []


def _says_it_itself(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """A function of one statement, or an enum whose members carry the words."""
    if isinstance(node, ast.ClassDef):
        return any(getattr(parent, "id", "") in ("StrEnum", "IntEnum") for parent in node.bases)
    return len(node.body) == 1


def ignored() -> list[str]:
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    return [line.strip().rstrip("/") for line in lines if line and not line.startswith("#")]


def test_the_top_level_is_as_agreed() -> None:
    found = {
        entry.name
        for entry in ROOT.iterdir()
        if not any(fnmatch.fnmatch(entry.name, one.lstrip("/")) for one in ignored())
    }
    assert found <= TOP_LEVEL


def project_texts() -> Iterator[Path]:
    kinds = (
        ".py",
        ".toml",
        ".md",
        ".js",
        ".css",
        ".html",
        ".lock",
        ".txt",
        ".svg",
        ".yml",
        ".yaml",
    )
    folders = (ROOT / entry for entry in sorted(TOP_LEVEL - {".git"}))
    for folder in folders:
        for path in sorted(folder.rglob("*")) if folder.is_dir() else [folder]:
            plain = path.is_file() and "__pycache__" not in path.parts
            if plain and (path.suffix in kinds or path.name in ("Makefile", "run")):
                yield path


def test_nothing_is_left_for_later_and_no_machine_is_named() -> None:
    """Marks for later, and folders that only one machine has."""
    later = "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX"))
    here = "|".join(("/ro" + "ot/", "/wo" + "rk/", "/Us" + "ers/"))
    forbidden = re.compile(rf"\b(?:{later})\b|(?<![\w.])(?:{here})")
    found = [
        f"{name(path)}:{number}"
        for path in project_texts()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if forbidden.search(line)
    ]
    assert found == []


def fields(cls: type) -> set[str]:
    return {field.name for field in dataclasses.fields(cls) if field.init}


def test_the_example_names_every_setting() -> None:
    example = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    for section, cls in {**SECTIONS, **OPTIONAL}.items():
        assert set(example[section]) == fields(cls), f"[{section}]"
    messenger = example["messenger"]
    sources = {key: value for key, value in messenger.items() if isinstance(value, dict)}
    assert set(messenger) - set(sources) == fields(MessengerSettings) - {"secrets", "webhook_urls"}
    assert all(set(source) == fields(MessengerSource) for source in sources.values())
    assert {key for entry in example["person"] for key in entry} == fields(PersonEntry)
    assert {key for entry in example["room"] for key in entry} == fields(RoomEntry)
    assert {key for entry in example["check"] for key in entry} == fields(Check)
    assert {key for entry in example["nudge"] for key in entry} == fields(NudgeRule)


def test_the_example_loads_and_shows_the_defaults(tmp_path: Path) -> None:
    secrets = {
        "SLACK_BOT_TOKEN": "xoxb-1-abc",
        "SLACK_APP_TOKEN": "xapp-1-abc",
        "TELEGRAM_TOKEN": "123456:ABC-DEF",
        "KAKAO_SECRET": "a long secret",
    }
    bare = tmp_path / "config.toml"
    bare.write_text(
        '[ssh]\nknown_hosts = "known_hosts"\nkey_file = "id_ed25519"\n'
        '[slack]\nbot_token = "env:SLACK_BOT_TOKEN"\napp_token = "env:SLACK_APP_TOKEN"\n'
        '[telegram]\ntoken = "env:TELEGRAM_TOKEN"\n'
    )
    example = tmp_path / "example.toml"
    example.write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    shown, default = load_settings(example, secrets), load_settings(bare, secrets)
    for section in (*SECTIONS, *OPTIONAL):
        assert getattr(shown, section) == getattr(default, section), f"[{section}]"
    assert [person.name for person in shown.people] == ["김서연", "林冠宇", "Grace Palmer"]
    assert {room.platform for room in shown.rooms} == {"slack", "telegram", "web", "messenger"}


def settings_classes() -> list[type]:
    others = [MessengerSettings, MessengerSource, PersonEntry, RoomEntry, NudgeRule]
    return [*SECTIONS.values(), *OPTIONAL.values(), *others]


@pytest.mark.parametrize("cls", settings_classes(), ids=lambda cls: cls.__name__)
def test_every_setting_says_what_it_is(cls: type) -> None:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(tree, ast.ClassDef)
    assert ast.get_docstring(tree)
    for node, following in zip(tree.body, [*tree.body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign):
            said = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            assert said, f"{cls.__name__}.{ast.unparse(node.target)} has no docstring"


def canonical(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def test_the_lock_fixes_every_package_and_names_no_place() -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [p for p in pins if not re.fullmatch(r"[a-z0-9-]+==[0-9][A-Za-z0-9.+!]*", p)] == []
    assert pins == sorted(pins)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    direct = [*project["dependencies"], *(one for extra in extras for one in extra)]
    names = {canonical(re.split(r"[\[<>=!~;, ]", one)[0]) for one in direct}
    assert names <= {pin.split("==")[0] for pin in pins}


def test_the_changelog_knows_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"\n## {project['version']} " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_whatever_the_packages_need_is_packed_with_them() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    patterns = ["*.py", "*.pyc", *tool["setuptools"]["package-data"]["*"]]
    loose = [
        name(path)
        for folder in CODE
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not any(fnmatch.fnmatch(path.name, p) for p in patterns)
    ]
    assert loose == []


def test_git_keeps_whatever_the_packages_need() -> None:
    """A pattern meant for an operator's files must not hide one of ours."""
    hidden = [
        name(path)
        for folder in (*CODE, "tests")
        for path in (ROOT / folder).rglob("*")
        if not {"__pycache__", ".pytest_cache"} & set(path.parts)
        if any(fnmatch.fnmatch(path.name, pattern) for pattern in ignored())
    ]
    assert hidden == []


def test_the_integration_script_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
