"""/whoami: how the bot knows the person who asks."""

from __future__ import annotations

from handlers.commands.arguments import none_left
from handlers.commands.call import Call, Command
from handlers.replies import Reply
from prompts.texts import text

USAGE = "/whoami"


async def run(call: Call) -> None:
    none_left(call.arguments, USAGE)
    person, address = call.person, call.event.room
    await call.whisper(
        Reply(
            text=text("whoami_text", name=person.name, role=text(f"role_{person.role.name}")),
            fields=(
                (text("whoami_account"), f"{address.platform}: {call.event.speaker.user}"),
                (text("whoami_room"), str(address)),
                (text("whoami_language"), person.language),
            ),
        )
    )


COMMAND = Command("whoami", "help_whoami", USAGE, run)
