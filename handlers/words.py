"""What a person said in their own words becomes a proposal, a question, a request, or an answer.

The reader says what the words mean and which assets they name; this file says which action type an
intent stands for.  Risk, commands and hosts come from the product's own tables further on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.actions.names import action_name
from engine.language.contract import CHANGING, Reading
from handlers import nudges
from handlers.commands.call import Call
from handlers.replies import Choice, Reply
from prompts.texts import Text, text

MAX_DESCRIPTION = 500

_ACTION_OF_INTENT = {
    "RESTART": "server_restart",
    "START": "service_start",
    "STOP": "service_stop",
    "LOG": "log_collect",
    "STATUS": "service_status",
    "SCRIPT": "script_exec",
    "ACCOUNT": "account_disable",
    "DEPLOY": "deploy_prd",
    "ROLLBACK": "deploy_prd",
    "NETWORK": "network_change",
    "SECURITY": "security_policy_change",
    "FAILOVER": "dr_failover",
    "DB_CHANGE": "db_schema_change",
}

#: Questions that ask for nothing but the place.
_WHERE = frozenset({"language_which_system", "language_which_asset"})

#: A step that may be offered although nothing is selected.
_TARGET_OPTIONAL = frozenset({"ACCOUNT", "SECURITY", "NETWORK"})

#: What kind of look a STATUS asks for: first match decides, in the words of three languages.
_LOOKS = (
    ("db_lock_status", re.compile(r"\block(s|ed|ing)?\b|락\s|락이|락\b|잠금|鎖", re.IGNORECASE)),
    (
        "disk_status",
        re.compile(r"\bdisk|\bspace\b|storage|디스크|용량|磁碟|硬碟|空間", re.IGNORECASE),
    ),
    ("memory_status", re.compile(r"\bmemory|\bram\b|메모리|記憶體|内存", re.IGNORECASE)),
)

_ACCOUNT = re.compile(r"(?<![A-Za-z0-9_.@/-])[a-z_][a-z0-9_.-]{1,31}(?![A-Za-z0-9_@/-])", re.ASCII)
_LINES = re.compile(
    r"(?<![0-9])([1-9][0-9]{0,4})\s*(?:lines?\b|줄|라인|行)", re.ASCII | re.IGNORECASE
)
_PATH = re.compile(r"(?<![\w./-])(/[A-Za-z0-9._/-]{1,200})", re.ASCII)


@dataclass(frozen=True)
class Wish:
    """What would be proposed."""

    action_type: str
    targets: tuple[str, ...]
    params: Mapping[str, Any]
    description: str
    hint: bool
    """The reader thinks that a person should approve it."""

    def payload(self) -> dict[str, Any]:
        return {
            "action_type": self.action_type,
            "targets": list(self.targets),
            "params": dict(self.params),
            "description": self.description,
            "hint": self.hint,
        }


async def respond(call: Call, reading: Reading) -> None:
    """Act on a reading. Raises GiveUp when what is asked for is refused."""
    if reading.parse.intent_type == "OTHER":
        if not await nudges.instead(call):
            await call.whisper(text("language_unread" if reading.unread else "words_other"))
    elif (request := opens(call.event.text, reading)) is not None:
        await _open_inquiry(call, *request)
    elif reading.question is not None:
        if not (_tells(reading) and await nudges.instead(call)):
            await _ask(call, reading)
    elif len(reading.parse.action_sequence) > 1:
        await _ask_which_step(call, reading)
    else:
        await _propose(call, reading)


def _tells(reading: Reading) -> bool:
    """Only the place is missing for a look: said among people, that tells of trouble."""
    assert reading.question is not None
    return reading.parse.intent_type == "STATUS" and reading.question.text.key in _WHERE


async def _propose(call: Call, reading: Reading) -> None:
    wish = _wish(call, reading, reading.parse.intent_type, reading.assets)
    if wish.action_type == "account_disable" and "account" not in wish.params:
        await call.whisper(text("ask_account"))
    else:
        action = await call.services.proposals.propose(
            call.tx,
            call.person,
            wish.action_type,
            wish.targets,
            wish.params,
            wish.description,
            room_id=call.room.id,
            origin=call.origin,
            hint=wish.hint,
        )
        await call.whisper(text("proposed", id=action.id))


async def _ask(call: Call, reading: Reading) -> None:
    """One question, with buttons to choose from."""
    question = reading.question
    assert question is not None
    choices = [
        Choice(
            choice.label,
            "choose",
            _wish(call, reading, choice.intent, choice.assets).payload(),
        )
        for choice in question.choices
    ]
    if choices:
        choices.append(_NO)
    await call.whisper(Reply(text=question.text, choices=tuple(choices)))


async def _ask_which_step(call: Call, reading: Reading) -> None:
    """Several steps in one sentence: each is its own action with its own approval."""
    choices = [
        Choice(
            _label(step, reading.assets),
            "choose",
            _wish(call, reading, step, reading.assets).payload(),
        )
        for step in dict.fromkeys(reading.parse.action_sequence)
        if step in _ACTION_OF_INTENT and (reading.assets or step in _TARGET_OPTIONAL)
    ]
    await call.whisper(Reply(text=text("ask_which_step"), choices=(*choices, _NO), many=True))


def opens(said: str, reading: Reading) -> tuple[str, str] | None:
    """The title and body of the service request that ``respond`` would open; None for none."""
    if reading.unread or reading.parse.intent_type != "INQUIRY":
        return None
    said = said.strip()
    return (said.splitlines()[0][:120] if said else said), said


async def _open_inquiry(call: Call, title: str, said: str) -> None:
    """A question for people becomes a request, so that it is not lost."""
    request = await call.services.desk.create(
        call.tx,
        call.person,
        title,
        said,
        suggestion=call.suggestion,
        room_id=call.room.id,
        origin=call.origin,
    )
    await call.whisper(text("inquiry_opened", key=request.key))


def _wish(call: Call, reading: Reading, intent: str, assets: tuple[str, ...]) -> Wish:
    said = call.event.text
    action_type = _ACTION_OF_INTENT.get(intent, "service_status")
    if intent == "STATUS":
        action_type = next((name for name, words in _LOOKS if words.search(said)), action_type)
    if action_type == "deploy_prd":
        inventory = call.services.inventory.assets
        if assets and all(inventory[code].environment != "PRD" for code in assets):
            action_type = "deploy_stg"
    params = _params(action_type, said, reading)
    # The reader's advice is about the main intent; another one that is chosen stands for itself.
    meant = intent == reading.parse.intent_type
    hint = reading.parse.requires_approval if meant else intent in CHANGING
    return Wish(action_type, assets, params, said.strip()[:MAX_DESCRIPTION], hint)


def _params(action_type: str, said: str, reading: Reading) -> dict[str, Any]:
    """Parameters that the words name; the action type checks each of them."""
    params: dict[str, Any] = {}
    if action_type == "log_collect":
        lines, path = _LINES.search(said), _PATH.search(said)
        if lines:
            params["lines"] = int(lines[1])
        if path:
            params["path"] = path[1].rstrip(".")
    elif action_type == "script_exec" and reading.parse.deploy_artifacts:
        params["script"] = reading.parse.deploy_artifacts[0]
    elif action_type == "account_disable":
        accounts = _accounts(said)
        if len(accounts) == 1:
            params["account"] = accounts[0]
    return params


_NOT_ACCOUNTS = frozenset(
    (
        *("account", "accounts", "user", "users", "login", "ssh", "db", "web", "was"),
        *("disable", "lock", "block", "suspend", "deactivate", "remove", "close", "please"),
        *("the", "of", "for", "and", "on", "in", "a", "an", "to", "who", "left", "is", "has"),
        *("have", "with", "from", "at"),
    )
)


def _accounts(said: str) -> list[str]:
    """Words that look like a login name; more than one is a doubt, and a doubt is a question."""
    found = [word.rstrip(".-") for word in _ACCOUNT.findall(said)]
    odd = [word for word in found if any(c in "._0123456789" for c in word)]
    return list(dict.fromkeys(odd or [w for w in found if w not in _NOT_ACCOUNTS]))


def _label(intent: str, assets: tuple[str, ...]) -> Text:
    name = action_name(_ACTION_OF_INTENT[intent])
    return text("choice_step", name=name, targets=list(assets[:3]))


_NO = Choice(text("choice_none"), "drop")
