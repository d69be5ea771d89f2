"""docs/reference/messages.md: every sentence, by key."""

from __future__ import annotations

import tomllib
from pathlib import Path

from prompts.texts import LANGUAGES, catalogue
from tests.reference.markdown import page, table

_MESSAGES = Path(__file__).parents[2] / "prompts" / "messages"


def page_text() -> str:
    parts = [
        "# Messages",
        "Every sentence that a person can read, by key, in English. Korean and Traditional Chinese"
        " stand beside it in `prompts/messages/<area>.toml`; a test finds a missing one. What"
        " stands between `{{` and `}}` is filled in.",
        f"Languages: {', '.join(LANGUAGES)}. Messages: {len(catalogue())}.",
    ]
    for path in sorted(_MESSAGES.glob("*.toml")):
        rows = [
            (f"`{key}`", f"`{entry['en']}`")
            for key, entry in tomllib.loads(path.read_text(encoding="utf-8")).items()
        ]
        parts += [f"## {path.stem}", table(("key", "English"), rows)]
    return page(parts)
