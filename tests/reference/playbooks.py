"""docs/reference/playbooks.md: the playbooks that ship, from their files."""

from __future__ import annotations

from engine.healing.playbooks import Playbook, load_playbooks
from prompts.texts import LANGUAGES
from tests.reference.markdown import page, table


def page_text() -> str:
    found = load_playbooks().all
    parts = [
        "# Playbooks",
        "What ships, in the order in which it is looked at; a team's own come before it. How to"
        " write one is in [Write playbooks](../how-to/playbooks.md).",
        table(
            ("playbook", "classes", "from", "does", "cooldown", "tries"),
            [
                (
                    f"`{one.name}`",
                    ", ".join(f"`{kind}`" for kind in one.classes),
                    one.minimum,
                    _does(one),
                    f"{one.cooldown_ms // 60_000} min",
                    str(one.max_retries),
                )
                for one in found
            ],
        ),
    ]
    for one in found:
        parts += _section(one)
    return page(parts)


def _does(playbook: Playbook) -> str:
    step = playbook.step
    if step.kind == "ALERT_ONLY":
        return "calls a person"
    if step.kind == "WAIT_RETRY" and not step.action:
        return f"waits {step.wait_ms // 60_000} min, looks again"
    otherwise = f", else `{step.otherwise}`" if step.otherwise else ""
    what = "containers" if step.kind == "DOCKER_RESTART" else "assets"
    return f"`{step.action}`{otherwise} on {what} of role `{step.role}`"


def _section(playbook: Playbook) -> list[str]:
    step = playbook.step
    titles = "\n".join(f"- {language}: {playbook.title[language]}" for language in LANGUAGES)
    rows = [
        ("step", f"`{step.kind}`"),
        ("keywords, one of", _words(playbook.keywords) or "any text"),
        ("unless one of", _words(playbook.unless) or "–"),
        ("has to stay away", f"{playbook.settle_ms // 1000} s"),
    ]
    if step.role:
        reach = {
            "asset": "the asset of the incident, if it has the role",
            "system": "the asset of the incident if it has the role; else those of its system and"
            " environment that have it",
        }
        rows.append(("touches", reach[step.reach]))
    if step.params:
        rows.append(("parameters", _words(tuple(f"{k}={v}" for k, v in step.params.items()))))
    if playbook.undo:
        rows.append(("inverse", f"`{playbook.undo.action}`"))
    if step.message:
        rows.append(("says", step.message["en"]))
    if step.guide:
        rows.append(("guide", f"<{step.guide}>"))
    return [f"## {playbook.name}", titles, table(("", ""), rows)]


def _words(words: tuple[str, ...]) -> str:
    return ", ".join(f"`{word}`" for word in words)
