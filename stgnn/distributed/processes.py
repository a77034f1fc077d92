"""Child processes that cannot outlive their parent, and words for how a process ended."""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, STDOUT, Popen, TimeoutExpired

import psutil

PR_SET_PDEATHSIG = 1  # man 2 prctl; Linux only, elsewhere the agents' watch over the driver has to do
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def start(
    command: Sequence[str], log: Path, env: Mapping[str, str] | None = None, on_orphan: int = signal.SIGKILL
) -> Popen[bytes]:
    """Start `command` with its output appended to `log`; it gets the signal `on_orphan` when this thread dies.

    It has a session of its own, so that Ctrl-C reaches only the driver, which then ends all in order.
    """
    with log.open("ab") as out:
        return Popen(
            command,
            stdin=DEVNULL,
            stdout=out,
            stderr=STDOUT,
            env=env,
            start_new_session=True,
            preexec_fn=_bound_to(os.getpid(), on_orphan),
        )


def _bound_to(parent: int, on_orphan: int) -> Callable[[], None]:
    def bind() -> None:
        die_with_parent(on_orphan)
        if os.getppid() != parent:  # it died before we asked to be told
            os._exit(1)

    return bind


def die_with_parent(on_orphan: int = signal.SIGKILL) -> None:
    """Have this process signalled when the thread that started it dies, however that comes about."""
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, on_orphan)


def end_all(children: Sequence[Popen[bytes]], patience: float = 5.0) -> None:
    """Kill the children and all that they started; return when they are gone or after `patience` seconds."""
    family = [process for child in children for process in _family(child.pid)]
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(family, timeout=patience)
    give_up = time.monotonic() + patience
    for child in children:
        with suppress(TimeoutExpired):  # in the kernel's hands; it cannot be waited for
            child.wait(max(0.1, give_up - time.monotonic()))


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def how_it_ended(status: int) -> str:
    """`was killed by SIGKILL` or `exited with status 3`, from a return code as `Popen` gives it."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"
