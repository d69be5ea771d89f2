"""Which texts in the settings are secrets."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

#: In an address: before the host (a slash in it need not be escaped), or among the options.
_PASSWORD = re.compile(r"://[^/@:]*:([^@\s]+)@|[?&](?:ssl)?password=([^&\s]+)")


def secrets_in(value: Any) -> Iterator[str]:
    """Every text in the settings that is a secret: hidden fields, and a database's password."""
    if not dataclasses.is_dataclass(value):
        return
    for field in dataclasses.fields(value):
        inner = getattr(value, field.name)
        if isinstance(inner, Mapping) and not field.repr:
            yield from inner.values()
        elif isinstance(inner, str) and field.name == "url":
            for found in _PASSWORD.finditer(inner):
                written = found[found.lastindex or 0]
                yield from {written, unquote(written)}
        elif isinstance(inner, str) and not field.repr:
            yield inner
        else:
            yield from secrets_in(inner)
