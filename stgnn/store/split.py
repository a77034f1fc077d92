"""Which events are trained on, validated on and tested on, and which nodes training never sees.

Axes: E events, N graph nodes.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stgnn.errors import InputError
from stgnn.hashing import keyed, mix_words
from stgnn.store.temporal_csr import BLOCK, Allocate, in_memory

TRAIN, VALIDATION, TEST, HELD_OUT = range(4)
ROLES = ("train", "validation", "test", "held out")


@dataclass(frozen=True)
class Protocol:
    """How a stream is split and which negatives are stored beside it."""

    split: tuple[float, float, float] = (
        0.70,
        0.15,
        0.15,
    )  # of the time, in quantiles: train, validation, test
    new_nodes: float = 0.1  # share of all nodes whose events are taken out of training
    seed: int = 2020  # of the new nodes and the negatives
    negatives: int = 1  # of each kind an event

    def __post_init__(self) -> None:
        """Raise `InputError` for a protocol that cannot be followed."""
        if len(self.split) != 3 or min(self.split) <= 0 or not math.isclose(sum(self.split), 1.0):
            raise InputError("split", f"{list(self.split)}", "say three positive shares that add up to 1")
        if not 0 <= self.new_nodes < 1:
            raise InputError("new_nodes", f"{self.new_nodes}", "say a share of the nodes, from 0 to below 1")
        if self.negatives < 1:
            raise InputError("negatives", f"{self.negatives} an event", "say 1 or more")


@dataclass(frozen=True)
class Split:
    """The role of every event, and the nodes that no training event touches."""

    role: NDArray[np.uint8]  # [E] TRAIN, VALIDATION, TEST, or HELD_OUT of training for a new node
    new_node: NDArray[np.bool_]  # [N]
    first_validation: int  # events from here on are evaluated
    first_test: int


def split_events(
    src: NDArray[np.int32],
    dst: NDArray[np.int32],
    t: NDArray[np.int64],
    num_nodes: int,
    protocol: Protocol,
    *,
    allocate: Allocate = in_memory,
) -> Split:
    """Split a stream in time order as TGN does (Rossi et al. 2020, section 5), equal timestamps never apart.

    Training is `t <= q`, q the quantile of the times at the training share (with 0.70, 0.15, 0.15: 0.70 and 0.85).
    Of the nodes met after it, `new_nodes` of all nodes are drawn by a hash of (seed, node); training events that touch
    one are HELD_OUT. New nodes are those in no remaining training event: the drawn ones and the late ones.
    A short stream may leave parts without events.
    """
    first_validation = _quantile_end(t, protocol.split[0])
    first_test = _quantile_end(t, protocol.split[0] + protocol.split[1])
    drawn = _draw_new_nodes(src[first_validation:], dst[first_validation:], num_nodes, protocol)
    role = allocate("role", len(t), np.uint8)
    role[first_validation:first_test] = VALIDATION
    role[first_test:] = TEST
    trained = np.zeros(num_nodes, dtype=np.bool_)
    for first in range(0, first_validation, BLOCK):
        block = slice(first, min(first + BLOCK, first_validation))
        held_out = drawn[src[block]] | drawn[dst[block]]
        role[block] = np.where(held_out, HELD_OUT, TRAIN)
        trained[src[block][~held_out]] = True
        trained[dst[block][~held_out]] = True
    return Split(role, ~trained, first_validation, first_test)


def require_parts(split: Split, protocol: Protocol, name: str) -> None:
    """Raise `InputError` where training, validation or test of the stream `name` has no events."""
    if not split.first_validation < split.first_test < len(split.role):
        problem = f"its {len(split.role)} events cannot be split {list(protocol.split)} by time"
        raise InputError(name, problem, "choose another `split`, or a stream of more times")
    if split.new_node.all():
        raise InputError(name, "every training event touches a new node", "lower `new_nodes`")


def _quantile_end(t: NDArray[np.int64], share: float) -> int:
    """The first event after the quantile of sorted times (numpy's `linear`), without rounding times to floats.

    The quantile lies in [t[i], t[i+1]), so the events not after it are those not after t[i].
    """
    place = math.floor((len(t) - 1) * round(share, 12))
    return int(np.searchsorted(t, t[place], side="right"))


def _draw_new_nodes(
    src: NDArray[np.int32], dst: NDArray[np.int32], num_nodes: int, protocol: Protocol
) -> NDArray[np.bool_]:
    """Draw nodes among those that occur in `src` and `dst`: those of the smallest hashes."""
    met = np.zeros(num_nodes, dtype=np.bool_)
    met[src] = True
    met[dst] = True
    candidates = np.flatnonzero(met)
    order = np.argsort(mix_words(candidates + keyed(protocol.seed)), kind="stable")
    drawn = np.zeros(num_nodes, dtype=np.bool_)
    drawn[candidates[order[: int(protocol.new_nodes * num_nodes)]]] = True
    return drawn
