"""How long people have, when they are reminded, and what an approval takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_MODES = ("totp", "off")
_LEVELS = ("HIGH", "CRITICAL")


@dataclass(frozen=True)
class ApprovalSettings:
    """Clocks and the second factor of an approval."""

    escalate_minutes: int = 30
    """Minutes without an answer until the approvals rooms and the on-call people are told."""

    expire_hours: int = 24
    """Hours without an answer until the action is EXPIRED."""

    run_within_minutes: int = 30
    """Minutes in which an approved action must start; after that it is EXPIRED."""

    second_factor: str = "totp"
    """totp = approving takes six digits from the approver's authenticator; off = it does not."""

    second_factor_from: str = "CRITICAL"
    """CRITICAL or HIGH: the least level whose approval takes a code."""

    factor_key_file: Path = Path("factor.key")
    """Key that seals the authenticators' secrets; made on first use, the same in every replica."""

    @property
    def coded(self) -> tuple[str, ...]:
        """The levels whose approval takes a code."""
        if self.second_factor == "off":
            return ()
        return _LEVELS[_LEVELS.index(self.second_factor_from) :]

    def __post_init__(self) -> None:
        if self.second_factor not in _MODES:
            raise ValueError(f"second_factor: {self.second_factor!r}; give one of: totp, off")
        if self.second_factor_from not in _LEVELS:
            raise ValueError(
                f"second_factor_from: {self.second_factor_from!r}; give HIGH or CRITICAL"
            )
