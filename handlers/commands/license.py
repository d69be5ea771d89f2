"""/license: what ends when: certificates, licences and domains."""

from __future__ import annotations

from handlers.commands.arguments import none_left
from handlers.commands.call import Call, Command
from handlers.replies import Reply
from prompts.texts import Text, text

USAGE = "/license"
_SHOWN = 40


async def run(call: Call) -> None:
    none_left(call.arguments, USAGE)
    upkeep = call.services.upkeep
    found = await upkeep.endings(call.tx)
    if not found:
        await call.whisper(text("upkeep_none"))
        return
    lines: list[Text] = [one.line() for one in found[:_SHOWN]]
    if len(found) > _SHOWN:
        lines.append(text("upkeep_more_api", count=len(found) - _SHOWN))
    looked = max((one.looked_at for one in found if one.looked_at is not None), default=None)
    await call.whisper(
        Reply(
            title=text("upkeep_list_title", count=len(found)),
            lines=tuple(lines),
            note=text("upkeep_looked", at=looked, daily=upkeep.settings.at),
        )
    )


COMMAND = Command("license", "help_license", USAGE, run, meant=lambda rest: not rest)
