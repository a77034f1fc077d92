"""The workers of a run as training sees them: who am I, and the few things that all must agree on.

A run on one process has a world of one, in which every exchange costs nothing; the training loop is
written once. Whatever started the workers, they find each other by the variables that torch's
own launchers set: RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT.
"""

import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from stgnn.errors import InputError

# Long enough for the slowest worker's start and evaluation. A worker that hangs is found far sooner, by its heartbeat.
COLLECTIVE_TIMEOUT = timedelta(minutes=30)
HOST_BYTES = 256  # a host name as a row of bytes


@dataclass
class World:
    """One worker's place among `size` workers. `World()` is a world of one.

    `bytes_reduced` counts what this worker received to add up sums and gradients, `bytes_moved` the
    rows of data that came to it from other workers.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    bytes_reduced: float = 0.0
    bytes_moved: float = 0.0
    _group: "dist.ProcessGroup | None" = None  # of the device: gloo or nccl
    _host_group: "dist.ProcessGroup | None" = None  # gloo: what the host must know never waits for a GPU
    _parameter_bytes: float = field(default=0.0, init=False)

    @property
    def is_first(self) -> bool:
        """Is this the worker that writes files?"""
        return self.rank == 0

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model with gradients averaged over the workers in its backward pass.

        What batch normalisations note of the batches in training is averaged after each forward pass, so that workers
        evaluate and save one model. They normalise by their own part of the batch.
        """
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        if self.size == 1 or not trained:
            return model
        self._parameter_bytes = sum(parameter.nbytes for parameter in trained)
        with warnings.catch_warnings():
            # The newest torch has another name for broadcast_buffers, which the oldest we run on does not know.
            warnings.simplefilter("ignore", FutureWarning)
            # Other buffers are graph operators and the like, the same everywhere; weights are the same by the seed.
            wrapped = DistributedDataParallel(
                model,
                process_group=self._group,
                broadcast_buffers=False,
                gradient_as_bucket_view=True,
                init_sync=False,
            )
        if noted := _running_statistics(model):
            wrapped.register_forward_hook(lambda *_: self._average(noted))
        return wrapped

    def count_step(self) -> None:
        """Note the gradients that one backward pass exchanged: what a ring all-reduce brings to a worker."""
        self.bytes_reduced += self._ring(self._parameter_bytes)

    def add_up(self, values: Tensor) -> Tensor:
        """The sum of `values` over the workers, on every worker. In a world of one, `values` itself."""
        return self.start_adding(values).result()

    def start_adding(self, values: Tensor) -> "Sum":
        """Begin to sum over the workers, in `values`; the work goes on meanwhile."""
        if self.size == 1:
            return Sum(values, None)
        self.bytes_reduced += self._ring(values.nbytes)
        group = self._group if values.device.type == self.device.type else self._host_group
        return Sum(values, dist.all_reduce(values, group=group, async_op=True))

    def gather(self, values: Tensor) -> Tensor:
        """Every worker's `values` (on the host), stacked by rank, on every worker."""
        if self.size == 1:
            return values[None]
        gathered = [torch.empty_like(values) for _ in range(self.size)]
        dist.all_gather(gathered, values, group=self._host_group)
        return torch.stack(gathered)

    def any(self, flag: bool) -> bool:
        """Is `flag` set on any worker?"""
        return bool(self.add_up(torch.tensor([int(flag)])))

    def wait_for_all(self) -> None:
        """Return when every worker has come here."""
        if self.size > 1:
            dist.barrier(group=self._host_group)

    def send(self, values: Tensor, to: int) -> None:
        """Send rows of data (on the host) to another worker."""
        dist.send(values, dst=to, group=self._host_group)

    def receive(self, values: Tensor, source: int) -> None:
        """Fill `values` with the rows that another worker sends."""
        dist.recv(values, src=source, group=self._host_group)
        self.bytes_moved += values.nbytes

    def hosts(self) -> list[str]:
        """Every worker's compute node, by rank. Two virtual ones of one machine count as two."""
        name = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
        padded = name.encode()[:HOST_BYTES].ljust(HOST_BYTES, b"\0")
        rows = self.gather(torch.tensor(list(padded), dtype=torch.uint8))
        return [bytes(row.tolist()).rstrip(b"\0").decode() for row in rows]

    def take_exchanged(self) -> tuple[float, float]:
        """`bytes_moved` and `bytes_reduced` since this was last asked."""
        taken = self.bytes_moved, self.bytes_reduced
        self.bytes_moved = self.bytes_reduced = 0.0
        return taken

    def _average(self, tensors: list[Tensor]) -> None:
        """Put the mean over the workers into each of the tensors, by one exchange."""
        mean = self.add_up(torch.cat([tensor.flatten() for tensor in tensors])) / self.size
        for tensor, part in zip(tensors, mean.split([tensor.numel() for tensor in tensors]), strict=True):
            # Autograd has them among what a backward pass may need, but in training it does not.
            tensor.data.copy_(part.view_as(tensor))

    def _ring(self, size: float) -> float:
        return 2 * size * (self.size - 1) / self.size


def _running_statistics(model: nn.Module) -> list[Tensor]:
    """The running means and variances of the model's batch normalisations."""
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    return [noted for norm in norms for noted in (norm.running_mean, norm.running_var) if noted is not None]


@dataclass(frozen=True)
class Sum:
    """A sum over the workers that may still be under way."""

    _values: Tensor
    _work: "dist.Work | None"

    def result(self) -> Tensor:
        """Wait for the sum."""
        if self._work is not None:
            self._work.wait()
        return self._values


@contextmanager
def joined_world(device: torch.device) -> Iterator[World]:
    """Meet the other workers that the launcher started; `device` is where this one computes.

    The process group is made unless the launcher has made it (dask-pytorch-ddp does). Raises
    `InputError` where no launcher set the variables.
    """
    rank, size = _variable("RANK"), _variable("WORLD_SIZE")
    ours = not dist.is_initialized()
    if ours:
        dist.init_process_group("gloo", timeout=COLLECTIVE_TIMEOUT)
    host_group = dist.new_group(backend="gloo", timeout=COLLECTIVE_TIMEOUT)
    group = host_group
    if device.type == "cuda":
        torch.cuda.set_device(device)
        group = dist.new_group(backend="nccl", timeout=COLLECTIVE_TIMEOUT)
    try:
        yield World(rank, size, local_rank(), device, _group=group, _host_group=host_group)
    finally:
        if ours:
            dist.destroy_process_group()


def local_rank() -> int:
    """This worker's number on its compute node."""
    return _variable("LOCAL_RANK")


def _variable(name: str) -> int:
    try:
        return int(os.environ[name])
    except (KeyError, ValueError):
        raise InputError(
            name, "not set to a number", "start workers by `stgnn train` or torchrun, which set it"
        ) from None
