"""LEAD'S TEMPORARY PLACEHOLDER: overwrite this file whole."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ModelSettings:
    """x"""

    path: Path | None = None
    """x"""
