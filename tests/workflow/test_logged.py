"""What a failed job shows of its log, and what an earlier attempt's lines have to do with it: nothing."""

import shlex
import subprocess
from pathlib import Path

from tests.workflow.conftest import ROOT


def logged(log: Path, *lines: str, status: int = 1) -> list[str]:
    """Run a command that says `lines`, logged; return what is shown here."""
    said = shlex.quote("\n".join(lines))
    command = shlex.quote(f"echo {said}; exit {status}")
    script = f"source {ROOT}/workflow/scripts/logged.sh; logged {log} sh -c {command}"
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=False)
    assert done.returncode == status and done.stdout == ""
    return done.stderr.splitlines()


def test_a_failure_shows_the_line_that_names_its_cause_and_what_is_below(tmp_path: Path) -> None:
    stacks = [f"frame {number}" for number in range(60)]
    cause = "stgnn train: all ranks: made no progress for 600 s"
    shown = logged(tmp_path / "log", "epoch 1/2", "stgnn ingest: an older one", "epoch 2/2", cause, *stacks)
    assert shown == [cause, *stacks[:39]]


def test_a_failure_that_names_no_cause_shows_its_last_lines(tmp_path: Path) -> None:
    assert logged(tmp_path / "log", *"abcdefg") == list("cdefg")
    assert logged(tmp_path / "log", "Killed") == ["Killed"]


def test_an_attempt_keeps_the_log_of_the_one_before_and_shows_only_its_own(tmp_path: Path) -> None:
    logged(tmp_path / "log", "stgnn train: the first cause")
    assert logged(tmp_path / "log", "something else") == ["something else"]
    assert logged(tmp_path / "log", "done", status=0) == []
    begin, first, again, second, *_ = (tmp_path / "log").read_text().splitlines()
    assert (first, second) == ("stgnn train: the first cause", "something else")
    assert begin.startswith("--- ") and again.startswith("--- ") and again.endswith(" begins")
