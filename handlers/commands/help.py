"""/help: what one can say."""

from __future__ import annotations

from handlers.commands import registry
from handlers.commands.call import Call, Command
from handlers.replies import Reply
from prompts.texts import text

USAGE = "/help [command]"


async def run(call: Call) -> None:
    wanted = call.arguments.removeprefix("/").lower()
    known = registry.commands()
    if wanted in known:
        command = known[wanted]
        await call.whisper(Reply(text=text(command.summary), code=command.usage))
        return
    lines = tuple(
        text("help_line", usage=command.usage, summary=text(command.summary))
        for command in known.values()
        if call.person.role >= command.least
    )
    await call.whisper(Reply(text=text("help_intro"), lines=lines, note=text("help_note")))


COMMAND = Command("help", "help_help", USAGE, run)
