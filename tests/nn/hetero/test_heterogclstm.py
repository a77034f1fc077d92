"""Facts about HeteroGCLSTM; PyTorch Geometric Temporal's layer is right where it runs, so it is the oracle."""

from typing import Any

import pytest
import torch
from torch import Tensor

from stgnn.errors import InputError
from stgnn.nn.hetero import HeteroGCLSTM
from tests.nn.parity import assert_same, signal, twins
from tests.pgt_oracle import has_pgt, load_pgt

CHANNELS = {"author": 3, "paper": 2}
NODES = {"author": 4, "paper": 6}
WRITES, CITES, WRITTEN = ("author", "to", "paper"), ("paper", "cites", "paper"), ("paper", "by", "author")
METADATA = (list(NODES), [WRITES, CITES, WRITTEN])
EDGES = {
    WRITES: torch.tensor([[0, 0, 1, 3, 3], [0, 1, 1, 4, 5]]),
    CITES: torch.tensor([[1, 2, 3, 3], [0, 0, 1, 3]]),
    WRITTEN: torch.tensor([[0, 1, 1, 4, 5, 5], [0, 0, 1, 3, 3, 3]]),
}


def inputs(*lead: int) -> dict[str, Tensor]:
    return {name: signal(*lead, NODES[name], CHANNELS[name], seed=NODES[name]) for name in NODES}


def states(seed: int, *lead: int) -> dict[str, Tensor]:
    return {name: signal(*lead, NODES[name], 5, seed=seed + NODES[name]) for name in NODES}


def pair(bias: bool = True) -> tuple[Any, Any]:
    theirs = load_pgt("hetero").HeteroGCLSTM(CHANNELS, 5, METADATA, bias)
    theirs.double()
    theirs(inputs(), EDGES, states(1), states(2))  # its layers find their sizes at the first call
    ours = HeteroGCLSTM(CHANNELS, 5, METADATA, bias)
    twins(theirs, ours)
    return ours, theirs


def flat(*results: dict[str, Tensor]) -> list[Tensor]:
    return [result[name] for result in results for name in NODES]


@pytest.mark.skipif(not has_pgt(), reason="PyTorch Geometric Temporal is not installed")
@pytest.mark.parametrize("bias", [True, False])
def test_unrolling_is_stepping_pgts_cell_with_its_gradients(bias: bool) -> None:
    ours, theirs = pair(bias)
    x, h, c = inputs(3), states(1), states(2)
    found = ours.unroll(x, EDGES, h, c)
    every = []
    for t in range(3):
        h, c = theirs({name: entries[t] for name, entries in x.items()}, EDGES, h, c)
        every.append(h)
    stacked = {name: torch.stack([state[name] for state in every]) for name in NODES}
    assert_same(flat(*found), flat(stacked, h, c), ours, theirs)


def test_leading_dimensions_are_batch_dimensions_and_no_state_is_zero() -> None:
    layer = HeteroGCLSTM(CHANNELS, 5, METADATA).double()
    x = inputs(2, 3)
    together = layer(x, EDGES)
    zeros = {name: torch.zeros(2, 3, NODES[name], 5, dtype=torch.float64) for name in NODES}
    torch.testing.assert_close(flat(*layer(x, EDGES, zeros, zeros)), flat(*together), rtol=0, atol=1e-13)
    alone = layer({name: entries[1, 2] for name, entries in x.items()}, EDGES)
    for one, truth in zip(flat(*alone), flat(*together), strict=True):
        torch.testing.assert_close(one, truth[1, 2], rtol=0, atol=1e-13)


def test_a_node_type_that_nothing_leads_to_is_an_lstm_of_its_own() -> None:
    layer = HeteroGCLSTM(CHANNELS, 5, METADATA).double()
    h, _ = layer(inputs(), {WRITES: EDGES[WRITES]}, states(1), states(2))
    other, _ = layer(inputs(), {WRITES: EDGES[WRITES]}, states(7), states(2))
    torch.testing.assert_close(h["author"], other["author"], rtol=0, atol=0)
    assert not torch.equal(h["paper"], other["paper"])


def test_what_does_not_fit_is_refused_by_name() -> None:
    layer = HeteroGCLSTM(CHANNELS, 5, METADATA).double()
    with pytest.raises(InputError, match=r"x_dict: holds \['author'\]"):
        layer({"author": inputs()["author"]}, EDGES)
    with pytest.raises(InputError, match=r"x_dict: has samples and entries .*'paper': \(2,\).*; give every"):
        layer.unroll({name: x[: 2 + (name == "author")] for name, x in inputs(3).items()}, EDGES)
    with pytest.raises(InputError, match=r"edge_index_dict: holds \('paper', 'to', 'author'\)"):
        layer(inputs(), {("paper", "to", "author"): EDGES[WRITES]})
    with pytest.raises(InputError, match=r"'to', 'paper'.*holds 5 in row 0; expected 0\.\.3"):
        layer(inputs(), {WRITES: EDGES[WRITES].flip(0)})
    with pytest.raises(InputError, match=r"h_dict\['paper'\]: is missing"):
        layer(inputs(), EDGES, {"author": states(1)["author"]}, states(2))
    with pytest.raises(InputError, match="metadata: holds"):
        HeteroGCLSTM({"author": 3}, 5, METADATA)
