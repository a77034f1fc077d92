"""Failures that nobody tells of: processes that left, fell silent, or live and get nowhere."""

import socket
import time
from collections.abc import Mapping
from subprocess import Popen
from typing import Any

import psutil

from stgnn.distributed.causes import DASK, PERHAPS, REAL, SILENT_END, Cause, rank_name
from stgnn.distributed.job import Beats, Job
from stgnn.distributed.processes import how_it_ended
from stgnn.distributed.watch import Limits, Silence


class Untold:
    """What the driver can only infer, from beats and from its own child processes."""

    def __init__(self, job: Job, limits: Limits) -> None:
        self._job, self._limits = job, limits
        self._silences: dict[str, Silence] = {}
        self._stall = Silence(limits.stall)

    def causes(self, beats: Beats, children: Mapping[str, Popen[bytes]]) -> list[Cause]:
        """What is wrong now. To be asked again and again: silence is counted from one look to the next."""
        return [*self._ended(beats, children), *self._silent(beats), *self._stalled(beats)]

    def _ended(self, beats: Beats, children: Mapping[str, Popen[bytes]]) -> list[Cause]:
        """Launcher or agents that left although ranks have not ended."""
        causes = []
        for who, child in children.items():
            status = child.poll()
            if status is None:
                continue
            # A starter that fails has its own reason, or fails because a rank did.
            likelihood = REAL if status < 0 else SILENT_END
            how = how_it_ended(status) if status else "left before all ranks had ended"
            causes.append(Cause(likelihood, time.time(), who, how))
        return causes + self._lost_agents(beats) if len(causes) == len(children) else causes

    def _lost_agents(self, beats: Beats) -> list[Cause]:
        """Agents that were started, and whose starter is gone, but that never said that they leave."""
        agents = zip(self._job.nodes, beats.nodes, strict=True)
        what = "its agent is gone without a word: it was killed, or the node is lost"
        return [
            Cause(PERHAPS, time.time(), f"compute node {name}", what)
            for name, beat in agents
            if beat and "end" not in beat
        ]

    def _silent(self, beats: Beats) -> list[Cause]:
        causes = []
        for name, beat in zip(self._job.nodes, beats.nodes, strict=True):
            if limit := self._silence(f"compute node {name}", beat):
                what = f"is lost: no sign of life for {limit:.0f} s" if beat else _not_started(limit)
                causes.append(Cause(REAL, time.time(), f"compute node {name}", what))
        others = [(f"rank {rank}", beat) for rank, beat in enumerate(beats.ranks)]
        others += [(DASK, beats.dask)] if self._job.launcher == "dask" else []
        for who, beat in others:
            if limit := self._silence(who, beat):
                name = rank_name(self._job, beat) if "rank" in beat else who
                causes.append(Cause(PERHAPS, time.time(), name, _hangs(beat, limit)))
        return causes

    def _silence(self, who: str, beat: Mapping[str, Any]) -> float:
        """For how long `who` might be silent, if it has been so for longer; else 0."""
        limit = self._limits.start if not beat else self._limits.silence
        if beat.get("phase") == "starting":
            limit = self._limits.load
        silence = self._silences.setdefault(who, Silence(limit))
        silence.allow(limit)
        return limit if "end" not in beat and silence.is_long(beat.get("beat")) else 0.0

    def _stalled(self, beats: Beats) -> list[Cause]:
        """All beat, none gets on: some wait for others that wait for them, or for a disk."""
        ranks = beats.ranks
        if not any(beat.get("phase") == "training" for beat in ranks):
            return []
        if not self._stall.is_long([beat.get("progressed") for beat in ranks]):
            return []
        steps = [beat.get("step", 0) for beat in ranks]
        what = f"made no progress for {self._limits.stall:.0f} s; they are at step {min(steps)}"
        what += f" to {max(steps)}" if max(steps) > min(steps) else ""
        return [Cause(REAL, time.time(), "all ranks", what, is_stall=True)]


def _not_started(limit: float) -> str:
    return f"has not started in {limit:.0f} s"


def _hangs(beat: Mapping[str, Any], limit: float) -> str:
    if not beat:
        return _not_started(limit)
    state = " (its process is stopped, as by SIGSTOP)" if _is_stopped(beat) else ""
    return f"hangs: no sign of life for {limit:.0f} s{state}"


def _is_stopped(beat: Mapping[str, Any]) -> bool:
    if beat.get("host") != socket.gethostname():
        return False
    try:
        return psutil.Process(beat["pid"]).status() == psutil.STATUS_STOPPED
    except psutil.NoSuchProcess:
        return False
