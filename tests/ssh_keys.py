"""Keys for tests that build the runner and reach no host."""

from __future__ import annotations

from pathlib import Path

import asyncssh


def write_keys(folder: Path) -> tuple[Path, Path]:
    """A known_hosts file with a key that no host has, and a private key; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    known_hosts, key_file = folder / "known_hosts", folder / "id_ed25519"
    key = asyncssh.generate_private_key("ssh-ed25519")
    known_hosts.write_text(f"* {key.export_public_key().decode()}")
    key.write_private_key(str(key_file))
    key_file.chmod(0o600)
    return known_hosts, key_file
