"""Of all that went wrong in a job, which came first: a lost worker makes all others fail too."""

import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stgnn.distributed.job import Beats, Job

TAIL_LINES = 30
MOST_OTHERS = 4
LINE_CHARACTERS = 160
STACK_LINES = 500
INNERMOST = 6
RANKS_WORK = " in run_rank"  # as faulthandler names the function that all of a rank's work is under

# What the others say when one is gone: no cause as long as there is another. Gloo names the line of its sources.
_SYMPTOMS = re.compile(
    r"connection (was )?(reset|closed|refused|aborted)|broken pipe|closed by peer|peer closed|third_party/gloo/"
    r"|gloo connectFullMesh|DistBackendError|DistNetworkError|DistStoreError|CommClosedError|TCPStore"
    r"|nccl.*(abort|remote|timeout)",
    re.IGNORECASE,
)
REAL, PERHAPS, SYMPTOM, SILENT_END = range(4)  # how likely it is the cause, most likely first
DASK = "the Dask scheduler"
LEAST_FREE = 1 << 20  # bytes


@dataclass(frozen=True, order=True)
class Cause:
    """One thing that went wrong; the least one is the likeliest to have caused the others."""

    likelihood: int
    at: float  # Unix seconds
    who: str
    what: str
    is_input: bool = False
    is_stall: bool = False  # the ranks' stacks are worth a look
    trace: str = ""

    @property
    def line(self) -> str:
        """`rank 1 on n2: RuntimeError: ...`; of a wrong input, what is wrong."""
        return self.what if self.is_input else f"{self.who}: {self.what}"


def rank_name(job: Job, beat: dict[str, Any]) -> str:
    """`rank 3 on n2 (vm)`: the batch system's name of the compute node, its host name if that is another."""
    host = beat.get("host", "")
    node = job.nodes[beat["node"]] if "node" in beat else host
    same = node.split(".")[0] == host.split(".")[0]
    return f"rank {beat['rank']} on {node}" + ("" if same else f" ({host})")


def told_causes(job: Job, beats: Beats) -> list[Cause]:
    """What ranks, agents and the Dask scheduler have left word of."""
    named = [(rank_name(job, beat), beat) for beat in beats.ranks if beat]
    named += [(f"compute node {name}", beat) for name, beat in zip(job.nodes, beats.nodes, strict=True)]
    named.append((DASK, beats.dask))
    return [_cause(who, beat["end"]) for who, beat in named if _is_bad(beat)]


def _is_bad(beat: dict[str, Any]) -> bool:
    return beat.get("end", {}).get("how") in ("input", "error", "died")


def _cause(who: str, end: dict[str, Any]) -> Cause:
    what, trace = end["message"], end["trace"]
    likelihood = REAL
    if who == DASK:
        likelihood = SILENT_END  # it raises again what a rank has raised
    elif end["how"] == "error" and _SYMPTOMS.search(what):
        likelihood = SYMPTOM
    elif "SIGABRT" in what:
        likelihood = PERHAPS  # so NCCL ends a rank whose peer is gone
    elif "SIGKILL" in what:
        what += " (by hand, or for want of memory)"
    return Cause(likelihood, end["at"], who, what, end["how"] == "input", trace=trace)


def full_disk(job: Job) -> list[Cause]:
    """A disk without room for a heartbeat or a log, on which no process could say what it died of."""
    free = shutil.disk_usage(job.home).free
    if free >= LEAST_FREE:
        return []
    return [Cause(PERHAPS, time.time(), str(job.home), f"No space left on device: {free >> 10} kB are free")]


def tail(file: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log, empty if there is none."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def stack_of_rank(log: Path) -> str:
    """Where the rank was, innermost call first, when its stacks were last written to its log; else empty."""
    stacks = [stack for stack in tail(log, STACK_LINES).split("\n\n") if RANKS_WORK in stack]
    if not stacks:
        return ""
    calls = [line for line in stacks[-1].splitlines() if line.startswith("  File ")]
    ours = next(number for number, line in enumerate(calls) if line.endswith(RANKS_WORK))
    return "\n".join(calls[:ours][:INNERMOST])


def report(causes: Sequence[Cause], log: Path) -> str:
    """The first cause, its traceback's end or else that of `log`, and in a line each what the others died of."""
    first, *others = sorted(causes)
    trace = "\n".join(first.trace.splitlines()[-TAIL_LINES:])
    if not trace and (last := tail(log)):
        trace = f"its last lines:\n{last}"
    also = [
        f"also {_cut(each.line)}"
        for each in others
        if each.likelihood < SILENT_END and each.what != first.what
    ]
    return "\n".join([first.line, *([trace] if trace else []), *also[:MOST_OTHERS]])


def _cut(line: str) -> str:
    return line if len(line) <= LINE_CHARACTERS else line[: LINE_CHARACTERS - 3] + "..."
