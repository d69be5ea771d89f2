"""docs/reference/commands.md: every slash command."""

from __future__ import annotations

from handlers.commands import registry
from prompts.texts import say, text
from tests.reference.markdown import page, table


def page_text() -> str:
    parts = [
        "# Commands",
        "Every command works in four ways: `/approve 17`, `/ws approve 17`, in words to the bot"
        " (`approve 17 looks fine`), and in the words of the last table. An answer that only"
        " concerns you is shown to you alone where the platform can do that. An action's number"
        " may be typed as `17` or `#17`.",
        "The least role is that for calling the command. What it does may take more: deciding HIGH"
        " takes an ENGINEER, CRITICAL an ADMIN, and moving somebody else's request an ENGINEER.",
        "A service request may be typed as `SR-20261120-0001`, as `20261120-0001`, or, for one of"
        " today (UTC), as `1`.",
    ]
    for command in registry.commands().values():
        parts += [f"## /{command.name}", f"```\n{command.usage}\n```"]
        parts.append(
            f"{say(text(command.summary), 'en')}. Least role: {command.least.name}."
            f"\n\n- 한국어: {say(text(command.summary), 'ko')}"
            f"\n- 繁體中文: {say(text(command.summary), 'zh-TW')}"
        )
    parts += [
        "## The same in Korean and Chinese",
        "As the first word of a message to the bot, or after `/ws`.",
        table(("word", "command"), [(f"`{w}`", f"`/{c}`") for w, c in registry.WORDS.items()]),
    ]
    return page(parts)
