"""One tiny directed, weighted graph for every model test, and a store whose graph changes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from stgnn.graph.graph import Graph
from stgnn.models.base import TaskShape
from stgnn.store import open_store, write_store
from tests.conftest import make_signal

EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 4, 0, 2], [1, 2, 3, 4, 0, 2, 0]])
EDGE_WEIGHT = torch.tensor([0.5, 1.0, 2.0, 0.7, 1.3, 0.4, 0.9])
NUM_NODES = 5


@pytest.fixture
def graph():
    return Graph(EDGE_INDEX, EDGE_WEIGHT, NUM_NODES)


@pytest.fixture
def shape():
    """Three entries in, three out, one feature and the time of day."""
    return TaskShape(input_len=3, horizon=3, num_nodes=NUM_NODES, num_inputs=2, num_outputs=1)


@pytest.fixture(scope="session")
def tiny_gpt2(tmp_path_factory):
    """A folder with a GPT-2 checkpoint of six narrow layers, drawn at random."""
    import transformers  # here, for it takes seconds that few tests need

    folder = tmp_path_factory.mktemp("gpt2")
    torch.manual_seed(0)
    sizes = {"vocab_size": 7, "n_positions": 16, "n_embd": 8, "n_layer": 6, "n_head": 2}
    config = transformers.GPT2Config(**sizes, bos_token_id=0, eos_token_id=0)
    transformers.GPT2Model(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def changing_store(tmp_path_factory):
    """60 entries on 5 graph nodes, with edges of their own."""
    rng, count = np.random.default_rng(3), 60
    ptr = np.arange(count + 1) * 6
    signal = replace(
        make_signal(rng.normal(size=(count, 5, 1)), dated=False),
        edge_index=rng.integers(0, 5, (2, ptr[-1])), edge_weight=rng.random(ptr[-1]).astype(np.float32), edge_ptr=ptr,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("changing") / "small.zarr"
    write_store(signal, path)
    return open_store(path)
