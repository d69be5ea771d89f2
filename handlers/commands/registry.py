"""The list of slash commands. A new command is one file here and one line below."""

from __future__ import annotations

from functools import cache

from handlers.commands.call import Command


@cache
def commands() -> dict[str, Command]:
    """Every command by name, in the order /help shows."""
    from handlers.commands import (
        approve,
        autoq,
        bulk,
        cancel,
        freeze,
        heal,
        help,
        incident,
        kb,
        license,
        nudges,
        pending,
        reject,
        sr,
        status,
        unfreeze,
        whoami,
        why,
    )

    files = (
        sr,
        autoq,
        approve,
        reject,
        cancel,
        pending,
        why,
        bulk,
        status,
        incident,
        heal,
        kb,
        license,
        nudges,
        freeze,
        unfreeze,
        whoami,
        help,
    )
    return {file.COMMAND.name: file.COMMAND for file in files}


UMBRELLA = "ws"
"""``/ws VERB …``: one slash command is enough where a team has few to spare."""

#: The same verbs in words. Only a first word that is a verb; the rest is its arguments.
WORDS = {
    "승인": "approve",
    "거절": "reject",
    "반려": "reject",
    "취소": "cancel",
    "대기": "pending",
    "이유": "why",
    "동결": "freeze",
    "동결 해제": "unfreeze",
    "동결해제": "unfreeze",
    "도움말": "help",
    "플레이북": "heal",
    "자동복구": "heal",
    "지식": "kb",
    "知識": "kb",
    "知識庫": "kb",
    "장애": "incident",
    "인시던트": "incident",
    "核准": "approve",
    "批准": "approve",
    "拒絕": "reject",
    "駁回": "reject",
    "取消": "cancel",
    "待辦": "pending",
    "原因": "why",
    "凍結": "freeze",
    "解凍": "unfreeze",
    "說明": "help",
    "劇本": "heal",
    "自動修復": "heal",
    "事件": "incident",
    "라이선스": "license",
    "만료": "license",
    "授權": "license",
    "到期": "license",
}
