"""Changing the import is enough: constructors and calls take PGT's arguments, by position and by name."""

import inspect
from importlib import import_module

import pytest

from stgnn.nn import hetero, recurrent
from tests.pgt_oracle import has_pgt, load_pgt

pytestmark = pytest.mark.skipif(not has_pgt(), reason="PyTorch Geometric Temporal is not installed")

LAYERS = [*recurrent.__all__, *hetero.__all__]
OURS_ONLY = {"DConv", "AVWGCN", "GatedGraphConv"}  # PGT keeps them inside its modules
MODULES = ["astgcn", "dnntsp", "gman", "mstgcn", "mtgnn", "stgcn", "tsagcn"]


def same_arguments(ours: type, theirs: type) -> None:
    """Constructors have the same parameters; calls take theirs by position and by name, and may take more."""
    expected, found = (inspect.signature(layer).parameters for layer in (theirs, ours))
    named = {name: each for name, each in expected.items() if each.kind is not each.VAR_KEYWORD}
    assert [name for name, each in found.items() if each.kind is not each.VAR_KEYWORD] == list(named)
    assert [found[name].default for name in named] == [each.default for each in named.values()]
    if not hasattr(theirs, "forward"):
        return
    expected, found = (inspect.signature(layer.forward).parameters for layer in (theirs, ours))
    assert set(expected) <= set(found)
    by_position = ["edge_index" if each == "graph" else each for each in found]
    assert by_position[: len(expected)] == list(expected)


@pytest.mark.parametrize("name", sorted(set(LAYERS) - OURS_ONLY))
def test_recurrent_and_hetero_layers_take_pgts_arguments(name: str) -> None:
    theirs = getattr(load_pgt(), name, None) or getattr(load_pgt("hetero"), name)
    same_arguments(getattr(recurrent, name, None) or getattr(hetero, name), theirs)


@pytest.mark.parametrize("module", MODULES)
def test_attention_layers_and_all_their_parts_take_pgts_arguments(module: str) -> None:
    theirs = load_pgt(f"attention.{module}")
    ours = import_module(f"stgnn.nn.attention.{module}")
    for name, layer in inspect.getmembers(theirs, inspect.isclass):
        if layer.__module__ == theirs.__name__:
            same_arguments(getattr(ours, name), layer)
