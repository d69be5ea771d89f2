"""The documentation says what the code does: generated pages are fresh, and nothing is left out."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase

from bot import metrics
from bot.settings import OPTIONAL, SECTIONS, SettingsError, load_settings
from engine.risk import load_policy
from handlers.commands import registry
from storage import lifecycle
from storage.all_tables import metadata
from tests.reference import DOCS, ROOT, files
from tests.reference.command_line import parsers
from tests.reference.drawing import mermaid, svg
from tests.reference.rest import application
from tests.reference.settings import field_docs, settings_tables

PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
GENERATED = sorted(
    path.relative_to(DOCS).as_posix()
    for path in [*(DOCS / "reference").glob("*"), *(DOCS / "images").glob("*.svg")]
)
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


@cache
def made() -> dict[str, str]:
    return files()


def page(name: str) -> str:
    return (DOCS / "reference" / name).read_text(encoding="utf-8")


def words_of(path: Path) -> str:
    """A page's text without its code blocks and code spans."""
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", path.read_text(encoding="utf-8")))


def blocks(language: str) -> Iterator[tuple[str, str]]:
    for path in PAGES:
        for indent, kind, body in _FENCE.findall(path.read_text(encoding="utf-8")):
            if kind == language:
                yield path.relative_to(ROOT).as_posix(), re.sub(f"(?m)^{indent}", "", body)


@pytest.mark.parametrize("name", sorted(made()))
def test_a_generated_file_is_what_the_code_makes_now(name: str) -> None:
    written = (DOCS / name).read_text(encoding="utf-8")
    assert written == made()[name], f"docs/{name} is old; run: python -m tests.reference"


def test_no_generated_file_is_left_over() -> None:
    assert sorted(made()) == GENERATED


@pytest.mark.parametrize("name", [*registry.commands(), *registry.WORDS])
def test_every_slash_command_and_verb_is_documented(name: str) -> None:
    heading = f"## /{name}\n" in page("commands.md")
    assert heading or f"| `{name}` |" in page("commands.md")


@pytest.mark.parametrize("name", parsers())
def test_every_sub_command_and_option_is_documented(name: str) -> None:
    section = page("command-line.md").split(f"## watchstander {name}\n")[1].split("\n## ")[0]
    options = [flag for action in parsers()[name]._actions for flag in action.option_strings]
    assert not [flag for flag in options if flag not in section and flag not in ("-h", "--help")]


@pytest.mark.parametrize("heading", settings_tables())
def test_every_setting_is_documented_and_says_what_it_is(heading: str) -> None:
    cls, elsewhere = settings_tables()[heading]
    section = page("settings.md").split(f"## `{heading}`\n")[1].split("\n## ")[0]
    for name, words in field_docs(cls).items():
        if name not in elsewhere:
            assert f"| `{name}` |" in section
            assert words, f"{cls.__name__}.{name} has no docstring"


def test_every_table_of_the_configuration_has_its_settings() -> None:
    documented = set(settings_tables())
    assert {f"[{name}]" for name in (*SECTIONS, *OPTIONAL)} <= documented
    assert {"[[person]]", "[[room]]", "[messenger]", "[messenger.NAME]"} <= documented


@pytest.mark.parametrize("name", load_policy().levels)
def test_every_action_type_is_documented(name: str) -> None:
    assert f"| `{name}` | {load_policy().levels[name].name} |" in page("actions.md")


def test_every_rest_operation_is_documented() -> None:
    operations = [
        f"## {method.upper()} {path}\n"
        for path, methods in application().openapi()["paths"].items()
        for method in methods
    ]
    assert len(operations) > 10
    assert not [heading for heading in operations if heading not in page("rest.md")]


def test_every_metric_is_documented() -> None:
    collectors = [one for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)]
    names = [metric.name for collector in collectors for metric in collector.collect()]
    text = (DOCS / "how-to" / "metrics.md").read_text(encoding="utf-8")
    assert names
    assert not [name for name in names if name not in text]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    for target in _LINK.findall(words_of(path)):
        if re.match("[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.exists(), f"{path.name}: {target} leads nowhere"
        assert ROOT in found.parents, f"{path.name}: {target} leads out of the project"
        if anchor:
            assert anchor in anchors(found), f"{path.name}: no heading for {target}"


def anchors(path: Path) -> set[str]:
    """The anchors that a page's headings get."""
    headings = re.findall(r"(?m)^#+ (.+)$", _FENCE.sub("", path.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_can_be_reached_from_the_map() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in seen or path.suffix != ".md":
            continue
        seen.add(path)
        for target in _LINK.findall(words_of(path)):
            if not re.match("[a-z]+:|#", target):
                waiting.append((path.parent / target.partition("#")[0]).resolve())
    assert not [path.relative_to(ROOT).as_posix() for path in PAGES if path not in seen]


def test_the_drawing_shows_every_state_and_move_and_no_other() -> None:
    picture = (DOCS / "images" / "lifecycle.svg").read_text(encoding="utf-8")
    moves = {(s.value, t.value) for pairs in lifecycle.MOVES.values() for s, t in pairs.items()}
    assert set(re.findall(r'data-from="(\w+)" data-to="(\w+)"', picture)) == moves
    assert set(re.findall(r'data-state="(\w+)"', picture)) == {s.value for s in lifecycle.State}


class Elsewhere(StrEnum):
    NOWHERE = "NOWHERE"


def test_a_state_without_a_place_in_the_drawing_is_told() -> None:
    moves = {"go": {lifecycle.State.QUEUED: Elsewhere.NOWHERE}}
    with pytest.raises(KeyError, match=r"give these states a place .*: NOWHERE"):
        svg(moves, frozenset(), frozenset())


def test_every_state_diagram_is_one_of_the_tables() -> None:
    tables = (
        lifecycle.MOVES,
        lifecycle.REQUEST_MOVES,
        lifecycle.INCIDENT_MOVES,
        lifecycle.ATTEMPT_MOVES,
        lifecycle.ARTICLE_MOVES,
    )
    known = {mermaid(moves) for moves in tables}
    drawn = [f"```mermaid\n{body}```" for _, body in blocks("mermaid") if "stateDiagram" in body]
    assert set(drawn) == known


def test_every_table_named_in_a_flow_chart_exists() -> None:
    named = {table for _, body in blocks("mermaid") for table in re.findall(r"\[\((\w+)\)\]", body)}
    assert named
    assert named <= set(metadata.tables)


@pytest.mark.parametrize(("place", "body"), list(blocks("toml")), ids=lambda value: value[:40])
def test_every_configuration_shown_can_be_read(place: str, body: str, tmp_path: Path) -> None:
    raw = tomllib.loads(body)
    if "asset" in raw:
        return  # an inventory: the next test reads it
    for table in raw.values():
        for part in table.values() if isinstance(table, dict) else ():
            for value in [part, *(part.values() if isinstance(part, dict) else ())]:
                if isinstance(value, str) and value.startswith("secrets/"):
                    secret = tmp_path / value
                    secret.parent.mkdir(exist_ok=True)
                    # Fits all of them: a Telegram token is the pickiest.
                    secret.write_text("123456:ABCdef" if "-token" in value else "s3cret")
    if "ssh" not in raw:
        body += '\n[ssh]\nknown_hosts = "known_hosts"\n'
    file = tmp_path / "config.toml"
    file.write_text(body, encoding="utf-8")
    try:
        load_settings(file, {})
    except SettingsError as error:
        pytest.fail(f"{place}: {error}")


def test_every_inventory_shown_can_be_read(tmp_path: Path) -> None:
    from engine.inventory import load_inventory

    shown = [body for _, body in blocks("toml") if "[[asset]]" in body]
    assert shown
    for body in shown:
        file = tmp_path / "inventory.toml"
        file.write_text(body, encoding="utf-8")
        assert load_inventory(file).assets
