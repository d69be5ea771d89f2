"""What an operator sets for Telegram."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

OFFICIAL_API = "https://api.telegram.org/bot"
_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{3,}", re.ASCII)
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}", re.ASCII)


@dataclass(frozen=True)
class TelegramSettings:
    """One bot on Telegram. A wrong value raises ValueError that says which and how to mend it."""

    token: str = field(repr=False)
    """The bot's token from @BotFather, ``123456:ABC…``. A secret."""

    mode: str = "polling"
    """``polling`` (Watchstander asks; works behind a firewall) or ``webhook`` (Telegram calls)."""

    webhook_url: str = ""
    """Webhook mode: the public https address that reaches POST /telegram/webhook of the bot."""

    webhook_secret: str = field(default="", repr=False)
    """Webhook mode: 1–256 of A–Z a–z 0–9 _ -; Telegram shows it with each delivery. A secret."""

    api_url: str = OFFICIAL_API
    """Where the Bot API is, without the token; change it for a Bot API server of your own."""

    poll_seconds: int = 30
    """Seconds one request waits for news at Telegram (long polling), 1–50."""

    patience_seconds: float = 8.0
    """Seconds beyond poll_seconds after which a request without an answer is given up, 0.1–60."""

    press_seconds: float = 8.0
    """Seconds after which a button press with no words for its presser is answered empty, so that
    the button stops spinning. Words that come later are sent as a message."""

    per_second: int = 30
    """Messages a second to all chats together; Telegram's limit for a bot that does not pay."""

    per_minute_in_group: int = 20
    """Messages and edits a minute to one group; Telegram's limit."""

    def __post_init__(self) -> None:
        if not _TOKEN.fullmatch(self.token):
            raise ValueError(
                "telegram token: not a bot token; it looks like 123456:ABC-DEF (from @BotFather)"
            )
        if self.mode not in ("polling", "webhook"):
            raise ValueError(f"telegram mode: {self.mode!r} is neither 'polling' nor 'webhook'")
        if not self.api_url.startswith(("https://", "http://")):
            raise ValueError(f"telegram api_url: {self.api_url!r} does not begin with https://")
        if not 1 <= self.poll_seconds <= 50:
            raise ValueError(f"telegram poll_seconds: {self.poll_seconds} is not within 1 to 50")
        if not 0.1 <= self.patience_seconds <= 60:
            raise ValueError(
                f"telegram patience_seconds: {self.patience_seconds} is not within 0.1 to 60"
            )
        if not 0 < self.press_seconds <= 10:
            raise ValueError(f"telegram press_seconds: {self.press_seconds} is not within 0 to 10")
        if self.per_second < 1 or self.per_minute_in_group < 2:
            # A message with a file is two sends; a limit below that could never be met.
            raise ValueError("telegram limits: per_second must be 1 or more, per_minute_in_group 2")
        if self.mode == "webhook":
            self._check_webhook()

    def _check_webhook(self) -> None:
        if not _SECRET.fullmatch(self.webhook_secret):
            raise ValueError(
                "telegram webhook_secret: webhook mode needs 1 to 256 characters of "
                "A-Z a-z 0-9 _ - (make one with: openssl rand -hex 32)"
            )
        # A Bot API server of one's own may call http; Telegram itself never does.
        allowed = ("https://",) if self.api_url == OFFICIAL_API else ("https://", "http://")
        if not self.webhook_url.startswith(allowed):
            raise ValueError(
                f"telegram webhook_url: {self.webhook_url!r} is not the https address under which "
                "Telegram reaches this program, e.g. https://ops.example.com/telegram/webhook"
            )

    @property
    def bot_id(self) -> int:
        """The bot's user id, the part of the token before the colon; not a secret."""
        return int(self.token.split(":", 1)[0])
