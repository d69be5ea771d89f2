"""Virtual environments of the programs that ours is measured beside, made on the first run."""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]


def peer_python(name: str, *packages: str) -> Path:
    """The interpreter of ``.venv-NAME``, which has the packages."""
    folder = ROOT / f".venv-{name}"
    python = folder / "bin" / "python"
    wanted = "\n".join(packages)
    mark = folder / ".installed"
    if not mark.exists() or mark.read_text() not in ("", wanted):
        print(f"Installing the peer ({name}) in {folder.name} …", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
        mark.write_text(wanted)
    return python
