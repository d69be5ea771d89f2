"""``watchstander slack-manifest``: the text to paste when the Slack app is made."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Declare the sub-command."""
    parser = commands.add_parser("slack-manifest", help="print the Slack app manifest")
    parser.add_argument("--name", default="Watchstander", help="what the app is called")
    parser.add_argument(
        "--events-url",
        default="",
        metavar="URL",
        help="for HTTP mode: https://YOUR-HOST/slack/events (default: Socket Mode)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print it as JSON, which Slack's form takes as it is."""
    import json

    from bot.commandline.output import result
    from bot.platforms.slack.manifest import slack_manifest

    result(json.dumps(slack_manifest(args.name, args.events_url), indent=2, ensure_ascii=False))
    return 0
