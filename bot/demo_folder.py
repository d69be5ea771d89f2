"""The demo's folder: configuration, inventory, scripts and a playbook, written once and then the
user's own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from bot.commandline.output import Failure

_FILES = Path(__file__).parent / "demo_files"
_ADDRESS = "127.0.0.1"

_SCRIPTS = {
    "disk_report.sh": "#!/bin/sh\n# Which file systems fill up.\nexec df -h\n",
    "memory_report.sh": "#!/bin/sh\n# How much memory is in use.\nexec free -m\n",
}


def write_folder(folder: Path, port: int) -> None:
    """Write the demo's files into a new folder. Raises Failure for one that holds other things."""
    if (folder / "config.toml").exists():
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Failure(f"{folder}: holds other things; give the demo a folder of its own with --dir")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / "scripts").mkdir()
        sums = []
        for name, content in _SCRIPTS.items():
            (folder / "scripts" / name).write_text(content, encoding="utf-8")
            sums.append(f"{hashlib.sha256(content.encode()).hexdigest()}  {name}\n")
        (folder / "scripts" / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")
        inventory = (_FILES / "inventory.toml").read_text(encoding="utf-8")
        (folder / "inventory.toml").write_text(inventory, encoding="utf-8")
        (folder / "playbooks").mkdir()
        for playbook in (_FILES / "playbooks").glob("*.toml"):
            content = playbook.read_text(encoding="utf-8")
            (folder / "playbooks" / playbook.name).write_text(content, encoding="utf-8")
        config = (_FILES / "settings.toml").read_text(encoding="utf-8")
        config = config.replace("port = 8484", f"port = {port}")
        # Last: a folder that has it is complete.
        (folder / "config.toml").write_text(config, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}; give another folder") from None


def place_hosts(inventory: Path, ports: Mapping[str, int]) -> None:
    """Write where the simulated hosts listen into the inventory; everything else in it is kept."""
    old = inventory.read_text(encoding="utf-8")
    new = place(old, ports)
    if new != old:
        inventory.write_text(new, encoding="utf-8")


def place(inventory: str, ports: Mapping[str, int]) -> str:
    """The inventory's text with address and port of the simulated hosts.

    An asset with another address than 127.0.0.1 is a real host, and stays one.
    """
    blocks = re.split(r"(?m)^(?=\[\[)", inventory)
    return "".join(_placed(block, ports) for block in blocks)


def _placed(block: str, ports: Mapping[str, int]) -> str:
    host = re.search(r'(?m)^host[ \t]*=[ \t]*"([^"\n]*)".*\n?', block)
    address = re.search(r'(?m)^address[ \t]*=[ \t]*"([^"\n]*)"', block)
    if host is None or host[1] not in ports or (address and address[1] != _ADDRESS):
        return block
    line = host[0] if host[0].endswith("\n") else f"{host[0]}\n"
    rest = re.sub(r"(?m)^(address|port)[ \t]*=.*\n?", "", block.replace(host[0], "\0\n", 1))
    where = f'address = "{_ADDRESS}"\nport = {ports[host[1]]}\n'
    return rest.replace("\0\n", line + where, 1)
