"""The app manifest: paste it at api.slack.com/apps → Create New App → From a manifest."""

from __future__ import annotations

from typing import Any

from handlers.commands import registry
from handlers.commands.registry import UMBRELLA
from prompts.texts import say, text

OWN = frozenset({"status", "help"})
"""Slack keeps these names for itself and refuses a manifest with them: /ws status, /ws help."""


def slash_commands() -> dict[str, tuple[str, str]]:
    """Slash command → (usage hint, what Slack shows beside it), the umbrella first."""
    found = {f"/{UMBRELLA}": ("VERB …", "Watchstander: any verb, e.g. /ws status")}
    for command in registry.commands().values():
        if command.name not in OWN:
            hint = command.usage.partition(" ")[2]
            found[f"/{command.name}"] = (hint, say(text(command.summary), "en"))
    return found


SCOPES = (
    "app_mentions:read",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:write",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "users:read",
)

EVENTS = ("app_mention", "message.channels", "message.groups", "message.im")


def slack_manifest(name: str = "Watchstander", events_url: str = "") -> dict[str, Any]:
    """The manifest as plain JSON. With ``events_url`` it is for HTTP mode, else for Socket Mode."""
    commands = []
    for command, (hint, description) in slash_commands().items():
        entry: dict[str, Any] = {
            "command": command,
            "description": description,
            "should_escape": False,
        }
        if hint:
            entry["usage_hint"] = hint
        commands.append(entry | ({"url": events_url} if events_url else {}))
    url = {"request_url": events_url} if events_url else {}
    return {
        "display_information": {
            "name": name,
            "description": "Stands watch: routine work done, risky work asked about.",
        },
        "features": {
            "app_home": {
                "home_tab_enabled": False,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": name.lower(), "always_online": True},
            "slash_commands": commands,
        },
        "oauth_config": {"scopes": {"bot": list(SCOPES)}},
        "settings": {
            "event_subscriptions": url | {"bot_events": list(EVENTS)},
            "interactivity": {"is_enabled": True} | url,
            "org_deploy_enabled": False,
            "socket_mode_enabled": not events_url,
            "token_rotation_enabled": False,
        },
    }
