"""``python -m tests.reference``: write every generated file."""

from __future__ import annotations

from tests.reference import DOCS, ROOT, files

for name, content in files().items():
    path = DOCS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    print(path.relative_to(ROOT))
