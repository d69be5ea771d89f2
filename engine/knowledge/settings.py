"""How the knowledge base answers, and what it writes by itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.knowledge.confidence import ANSWERS
from prompts.texts import LANGUAGES

LONGEST_EMBED_S = 5.0


@dataclass(frozen=True)
class KnowledgeSettings:
    """Answers, drafts, and the language that articles of repairs are written in."""

    answer_at: float = ANSWERS
    """Confidence, above 0 to 1, from which an INQUIRY is answered with the article's passage;
    below it a person gets it, with the nearest articles beside it."""

    language: str = "en"
    """en | ko | zh-TW: what runbooks and anti-patterns are written in."""

    drafts: bool = True
    """Draft an article of each INQUIRY and OTHER request that a person closed with words."""

    drafts_per_cycle: int = 5
    """Articles drafted in one cycle at most; each is a card that somebody has to review."""

    shortest_resolution: int = 20
    """Characters of the closing words from which they are worth an article; "done" is not."""

    refresh_s: float = 15.0
    """Seconds between looks for articles that another process changed."""

    write_s: float = 60.0
    """Seconds that the model may take to word one text; past them a template does."""

    embeddings: Path | None = None
    """A GGUF file of an embedding model, which finds articles that share no word with a question;
    none = words alone. It never makes an answer surer."""

    embeddings_sha256: str = ""
    """Its SHA-256 in hex; when given, a file that differs is refused. Empty = not checked."""

    embed_s: float = 0.3
    """Seconds, up to 5, that a question waits for that model; past them words alone find."""

    def __post_init__(self) -> None:
        if not 0 < self.answer_at <= 1:
            raise ValueError(f"answer_at: {self.answer_at:g} is out of range; give 0.01 to 1")
        if self.embed_s > LONGEST_EMBED_S:
            raise ValueError(
                f"embed_s: {self.embed_s:g} is out of range; give 0.01 to {LONGEST_EMBED_S:g}"
            )
        if self.language not in LANGUAGES:
            known = ", ".join(LANGUAGES)
            raise ValueError(f"language: {self.language!r} is not known; give one of {known}")
