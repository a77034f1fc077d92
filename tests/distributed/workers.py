"""A few workers of a run as forked processes on this machine, met over loopback."""

import multiprocessing
import os
import socket
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch

from stgnn.distributed.world import World, joined_world

PATIENCE = 120  # seconds until a worker that does not answer is an error


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def run_workers(size: int, function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """`function(world, *arguments)` on every worker of a world of `size`; their answers by rank."""
    port, context = free_port(), multiprocessing.get_context("fork")
    answers = []
    for rank in range(size):
        reader, writer = context.Pipe(duplex=False)
        worker = context.Process(target=_work, args=(rank, size, port, writer, function, arguments))
        worker.start()
        answers.append((worker, reader))
    return [_answer(worker, reader) for worker, reader in answers]


def _work(
    rank: int, size: int, port: int, writer: Connection, function: Callable[..., Any], arguments: Any
) -> None:
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "GLOO_SOCKET_IFNAME": "lo",
    }
    try:
        with joined_world(torch.device("cpu")) as world:
            writer.send((function(world, *arguments), None))
    except BaseException:
        writer.send((None, traceback.format_exc()))


def _answer(worker: Any, reader: Connection) -> Any:
    try:
        assert reader.poll(PATIENCE), "a worker does not answer"
        answer, error = reader.recv()
    finally:
        worker.kill()
        worker.join()
    assert error is None, error
    return answer


def world_of_one(function: Callable[..., Any], *arguments: Any) -> Any:
    """The same function in this process alone."""
    return function(World(), *arguments)
