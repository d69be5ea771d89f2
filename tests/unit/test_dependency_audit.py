"""``make audit``: what its script makes of what pip-audit says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "audit"
GOOD = {"name": "jinja2", "version": "3.1.6", "vulns": []}
BAD = {
    "name": "jinja2",
    "version": "2.10",
    "vulns": [{"id": "PYSEC-2019-217", "fix_versions": ["2.10.1"]}],
}
UNKNOWN = {"name": "jinja2", "skip_reason": "Dependency not found on PyPI"}


def audit(
    folder: Path, *, status: int, found: list[object] | None, said: str = "", waits: float = 0
) -> tuple[int, str]:
    """Exit status and output, with a pip-audit that ends like this."""
    fake = folder / "bin" / "pip-audit"
    fake.parent.mkdir()
    report = None if found is None else json.dumps({"dependencies": found})
    fake.write_text(
        f"#!{sys.executable}\nimport pathlib, sys, time\ntime.sleep({waits})\n"
        "place = sys.argv[sys.argv.index('--output') + 1]\n"
        "assert sys.argv[sys.argv.index('--requirement') + 1] == 'requirements.lock'\n"
        f"report = {report!r}\nif report is not None:\n    pathlib.Path(place).write_text(report)\n"
        f"print({said!r}, file=sys.stderr)\nsys.exit({status})\n"
    )
    fake.chmod(0o755)
    environ = {"AUDIT_VENV": str(folder), "AUDIT_SECONDS": "1", "PYTHON": sys.executable}
    environ["PATH"] = "/usr/bin:/bin"
    done = subprocess.run(
        [str(SCRIPT)], env=environ, capture_output=True, text=True, timeout=30, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_nothing_found(tmp_path: Path) -> None:
    status, said = audit(tmp_path, status=0, found=[GOOD, GOOD])
    assert (status, said) == (
        0,
        "audited: no known vulnerability in 2 of 2 packages of requirements.lock\n",
    )


def test_a_known_vulnerability_fails_and_is_named(tmp_path: Path) -> None:
    status, said = audit(tmp_path, status=1, found=[GOOD, BAD])
    assert status == 1
    assert "jinja2 2.10 PYSEC-2019-217 mended in: 2.10.1" in said


@pytest.mark.parametrize(
    "said",
    [
        "requests.exceptions.ConnectionError: Max retries exceeded",
        "Failed to resolve 'pypi.org'",
        "ERROR: 503 Server Error: Service Unavailable for url",
    ],
)
def test_without_a_network_it_says_so_and_goes_on(tmp_path: Path, said: str) -> None:
    status, told = audit(tmp_path, status=1, found=None, said=said)
    assert (status, told) == (0, "not audited: advisories not reachable\n")


def test_packages_that_nobody_knew_are_not_called_good(tmp_path: Path) -> None:
    """A mirror without advisories answers as if nothing were wrong."""
    status, said = audit(tmp_path, status=0, found=[UNKNOWN, UNKNOWN])
    assert status == 0
    assert said.startswith("not audited: advisories not reachable (none of 2 packages")


def test_no_answer_in_time(tmp_path: Path) -> None:
    status, said = audit(tmp_path, status=0, found=[GOOD], waits=20)
    assert (status, said) == (0, "not audited: advisories not reachable (no answer in 1 s)\n")


def test_a_broken_audit_is_no_good_news(tmp_path: Path) -> None:
    status, said = audit(tmp_path, status=2, found=None, said="unrecognised option --output")
    assert status == 1
    assert "unrecognised option" in said
