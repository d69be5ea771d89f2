"""Registered scripts: what may be planned, and what a change does."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from engine.actions.scripts import Scripts
from engine.errors import GiveUp, Why
from tests.unit.actions.stage import plan, refusal

BODY = b"#!/bin/sh\necho hello\n"
DIGEST = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hello.sh").write_bytes(BODY)
    (tmp_path / "SHA256SUMS").write_text(f"{DIGEST}  hello.sh\n")
    return tmp_path


def test_a_plan_names_the_script_by_its_hash_once_per_host(folder: Path) -> None:
    steps = plan("script_exec", "APP", "DB", "WAS", scripts=folder, script="hello.sh").steps
    assert [(s.host, s.argv, s.upload) for s in steps] == [
        ("box", (f".watchstander/{DIGEST}",), DIGEST),
        ("was-01", (f".watchstander/{DIGEST}",), DIGEST),
    ]


def test_arguments_are_a_list_and_a_string_is_one(folder: Path) -> None:
    for given, argv in ((["a", "b=1", "/x/y"], ("a", "b=1", "/x/y")), ("a", ("a",)), ([], ())):
        steps = plan("script_exec", "WAS", scripts=folder, script="hello.sh", args=given).steps
        assert steps[0].argv[1:] == argv
    words = refusal("script_exec", "WAS", scripts=folder, script="hello.sh", args=["x"] * 21)
    assert "at most 20" in words


def test_only_listed_scripts_run(folder: Path) -> None:
    (folder / "other.sh").write_bytes(BODY)
    words = refusal("script_exec", "WAS", scripts=folder, script="other.sh")
    assert "other.sh is registered. Registered: hello.sh" in words
    assert "registered" in refusal("script_exec", "WAS", scripts=None, script="hello.sh")
    assert "needs the parameter script" in refusal("script_exec", "WAS", scripts=folder)


def test_a_changed_missing_or_linked_script_is_refused(folder: Path) -> None:
    script = folder / "hello.sh"
    script.write_bytes(BODY + b"#")
    assert "not what was registered" in refusal(
        "script_exec", "WAS", scripts=folder, script="hello.sh"
    )
    script.unlink()
    assert "missing" in refusal("script_exec", "WAS", scripts=folder, script="hello.sh")
    (folder / "real.sh").write_bytes(BODY)
    script.symlink_to(folder / "real.sh")
    assert "missing" in refusal("script_exec", "WAS", scripts=folder, script="hello.sh")
    script.unlink()
    os.mkfifo(script)
    assert "missing" in refusal("script_exec", "WAS", scripts=folder, script="hello.sh")


def test_another_registered_content_is_another_plan(folder: Path) -> None:
    before = plan("script_exec", "WAS", scripts=folder, script="hello.sh").digest
    (folder / "hello.sh").write_bytes(b"other")
    changed = hashlib.sha256(b"other").hexdigest()
    (folder / "SHA256SUMS").write_text(f"{changed} *hello.sh\n")
    assert plan("script_exec", "WAS", scripts=folder, script="hello.sh").digest != before
    with pytest.raises(GiveUp) as raised:
        Scripts(folder).read(DIGEST)
    assert raised.value.why is Why.CONFLICT
    assert Scripts(folder).read(changed) == b"other"


def test_every_problem_of_the_folder_is_told(folder: Path) -> None:
    assert Scripts(folder).problems() == []
    assert Scripts(None).problems() == []
    (folder / "SHA256SUMS").write_text(
        f"{DIGEST}  hello.sh\n{DIGEST}  gone.sh\n{DIGEST}  ../up.sh\nnonsense\n"
        f"{DIGEST}  hello.sh\n{DIGEST}  SHA256SUMS\n"
    )
    problems = Scripts(folder).problems()
    assert len(problems) == 4
    for words in ("line 3", "line 4", "line 5", "gone.sh"):
        assert sum(words in problem for problem in problems) == 1, words
    assert Scripts(folder).listed().keys() == {"hello.sh", "gone.sh"}
    (folder / "SHA256SUMS").unlink()
    assert "cannot be read" in Scripts(folder).problems()[0]
