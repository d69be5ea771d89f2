"""What an operator may set about Slack. bot/settings.py builds it from config.toml."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

SOCKET = "socket"
HTTP = "http"


@dataclass(frozen=True)
class SlackSettings:
    """The Slack app's keys and patience. Raises ValueError for anything that cannot work."""

    bot_token: str = field(repr=False)
    """The bot user's token, xoxb-…; from "Install App". Never empty: an empty key fails open."""
    app_token: str = field(default="", repr=False)
    """The app-level token, xapp-…, with connections:write. Needed in socket mode."""
    signing_secret: str = field(default="", repr=False)
    """The app's signing secret. Needed in http mode: without it anybody could speak as anybody."""
    mode: str = SOCKET
    """"socket" (the bot dials out, no public address) or "http" (Slack calls /slack/events)."""
    api_url: str = "https://slack.com/api/"
    """Where the Web API is. Another value is for tests and for Slack's government cloud."""
    ping_interval: float = 5.0
    """Seconds between two pings on the socket; 5 is the SDK's own choice."""
    silence_limit: float = 30.0
    """Seconds without a message or a pong before the socket is rebuilt; six missed pings."""
    watchdog_interval: float = 2.0
    """Seconds between two looks at the link. Short against silence_limit."""
    connect_timeout: float = 15.0
    """Seconds that start() waits for the first connection; then it goes on in the background."""
    call_timeout: float = 10.0
    """Seconds one Web API call may take. Slack answers in well under one."""
    drain_timeout: float = 5.0
    """Seconds that stop() waits for open deliveries; longer than the 3 s Slack waits itself."""
    max_body: int = 1_000_000
    """Bytes of one HTTP delivery. Slack's own largest are far below; counted before any hashing."""
    per_room_interval: float = 1.0
    """Least seconds between two posts to one channel: Slack's documented rate is one per second."""

    def __post_init__(self) -> None:
        _need(self.bot_token.strip(), "bot_token is empty; take it from Install App (xoxb-…)")
        _need(self.mode in (SOCKET, HTTP), f"mode is {self.mode!r}; write 'socket' or 'http'")
        if self.mode == SOCKET:
            _need(
                self.app_token.strip(),
                "app_token is empty; make one with connections:write, or set mode = 'http'",
            )
        else:
            _need(
                self.signing_secret.strip(),
                "signing_secret is empty; copy it from Basic Information, or use mode = 'socket'",
            )
        _need(
            urlsplit(self.api_url).scheme in ("http", "https"),
            f"api_url is {self.api_url!r}; write an http(s) address",
        )
        for name in (
            "ping_interval",
            "silence_limit",
            "watchdog_interval",
            "connect_timeout",
            "call_timeout",
            "drain_timeout",
            "max_body",
        ):
            _need(getattr(self, name) > 0, f"{name} is not above 0")
        _need(self.per_room_interval >= 0, "per_room_interval is below 0")


def _need(condition: object, message: str) -> None:
    if not condition:
        raise ValueError(f"slack: {message}")
