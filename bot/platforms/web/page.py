"""The words of the page, in the viewer's language. The page itself holds none."""

from __future__ import annotations

from prompts.texts import say, text

_PREFIX = "web_page_"
_PAGE = (
    text("web_page_title"),
    text("web_page_sign_in_text"),
    text("web_page_sign_in_label"),
    text("web_page_sign_in"),
    text("web_page_sign_in_unknown"),
    text("web_page_sign_in_expired"),
    text("web_page_sign_in_revoked"),
    text("web_page_sign_in_used"),
    text("web_page_sign_in_inactive"),
    text("web_page_sign_in_slow"),
    text("web_page_sign_in_origin"),
    text("web_page_sign_out"),
    text("web_page_rooms"),
    text("web_page_no_rooms"),
    text("web_page_history"),
    text("web_page_earlier"),
    text("web_page_empty"),
    text("web_page_connecting"),
    text("web_page_connected"),
    text("web_page_offline"),
    text("web_page_refused"),
    text("web_page_compose"),
    text("web_page_placeholder"),
    text("web_page_send"),
    text("web_page_commands"),
    text("web_page_only_you"),
    text("web_page_agent"),
    text("web_page_bot"),
    text("web_page_updated"),
    text("web_page_pressed"),
    text("web_page_not_sent"),
    text("web_page_retry"),
    text("web_page_reason_title"),
    text("web_page_reason_label"),
    text("web_page_code_title"),
    text("web_page_code_label"),
    text("web_page_cancel"),
    text("web_page_close"),
    text("web_page_today"),
    text("web_page_yesterday"),
    text("web_page_role_agent"),
    text("web_page_role_requester"),
    text("web_page_role_engineer"),
    text("web_page_role_admin"),
)


def page_texts(language: str) -> dict[str, str]:
    """Name → words; ``{name}`` in them is filled by the page."""
    return {message.key.removeprefix(_PREFIX): say(message, language) for message in _PAGE}
