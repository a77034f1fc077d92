"""Changing the import is enough: constructors and calls take PGT's arguments, by position and by name."""

import inspect
from importlib import import_module

import pytest

from stgnn.nn import hetero, recurrent
from tests.pgt_oracle import has_pgt, load_pgt

LAYERS = [*recurrent.__all__, *hetero.__all__]
OURS_ONLY = {"DConv", "AVWGCN", "GatedGraphConv"}  # PGT keeps them inside its modules


@pytest.mark.skipif(not has_pgt(), reason="PyTorch Geometric Temporal is not installed")
@pytest.mark.parametrize("name", sorted(set(LAYERS) - OURS_ONLY))
def test_constructors_and_calls_take_pgts_arguments(name: str) -> None:
    theirs = getattr(load_pgt(), name, None)
    theirs = theirs or getattr(import_module("torch_geometric_temporal.nn.hetero"), name)
    ours = getattr(recurrent, name, None) or getattr(hetero, name)
    expected, found = (inspect.signature(layer.__init__).parameters for layer in (theirs, ours))
    assert list(found) == list(expected)
    assert [each.default for each in found.values()] == [each.default for each in expected.values()]
    expected, found = (inspect.signature(layer.forward).parameters for layer in (theirs, ours))
    assert set(expected) <= set(found)
    by_position = ["edge_index" if each == "graph" else each for each in found]
    assert by_position[: len(expected)] == list(expected)
