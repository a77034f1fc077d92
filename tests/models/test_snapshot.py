"""Models of single snapshots: one step of a layer from past entries side by side, and nothing else."""

import pytest
import torch
import yaml

from stgnn.data import EntryEdges
from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.models.base import Known, TaskShape
from stgnn.models.build import build_model
from stgnn.models.snapshot.a3tgcn import SnapshotA3TGCN
from stgnn.models.snapshot.gconvlstm import SnapshotGConvLSTM
from stgnn.training.engine import train_run
from tests.models.test_named_models import MODELS
from tests.training.conftest import settings_of

SHAPE = TaskShape(input_len=4, horizon=1, num_nodes=5, num_inputs=1, num_outputs=1)
SNAPSHOT = [name for name in MODELS if name.startswith("snapshot-")]
BLIND = {"snapshot-dcrnn-k1", "snapshot-gconvgru-k1", "snapshot-gconvlstm-k1", "snapshot-gclstm"}


def build(name, graph):
    torch.manual_seed(0)
    return build_model({"name": name, **MODELS[name]}, SHAPE, graph).double().eval()


def test_the_past_entries_are_features_of_one_step(graph):
    model = SnapshotGConvLSTM(SHAPE, graph, hidden_channels=6, filter_taps=3, dropout=0.5).double().eval()
    window = torch.randn(2, 4, 5, 1, dtype=torch.float64)
    state, _ = model.cell(window[..., 0].transpose(1, 2), graph)
    expected = (state.relu() @ model.head.weight.t() + model.head.bias).transpose(1, 2).unsqueeze(-1)
    torch.testing.assert_close(model(window), expected)


def test_a3tgcn_takes_the_past_entries_for_its_periods(graph):
    model = SnapshotA3TGCN(SHAPE, graph, hidden_channels=6, dropout=0.0).double().eval()
    window = torch.randn(2, 4, 5, 1, dtype=torch.float64)
    expected = model.head(model.layer(window.permute(0, 2, 3, 1), graph).relu())
    torch.testing.assert_close(model(window), expected.transpose(1, 2).unsqueeze(-1))


@pytest.mark.parametrize("name", SNAPSHOT)
def test_only_layers_with_hops_see_a_neighbour(name, graph):
    model = build(name, graph)
    window = torch.randn(1, 4, 5, 1, dtype=torch.float64)
    nudged = window.clone()
    nudged[:, :, 0] += 1.0
    moved = (model(nudged) - model(window))[:, :, 1].abs().max()  # graph node 1 hears graph node 0
    assert (moved < 1e-12) == (name in BLIND)


@pytest.mark.parametrize("name", SNAPSHOT)
def test_every_window_has_the_graph_of_its_last_entry(name, changing_store, tmp_path):
    edges = EntryEdges(changing_store)
    model = build(name, Graph(torch.zeros(2, 0, dtype=torch.long), None, 5))
    start = torch.tensor([3, 0, 7])
    window = torch.stack([torch.from_numpy(changing_store.rows(s, s + 4)) for s in start.tolist()]).double()
    together = model(window, Known(edges=edges.of(start + 3, 1)))
    for place in range(len(start)):
        own = Graph(*edges.of(start[place : place + 1], 4).entry(0, 3), 5)
        alone = build(name, own)
        alone.load_state_dict(model.state_dict())
        torch.testing.assert_close(together[place : place + 1], alone(window[place : place + 1]))
    if name not in BLIND | {"snapshot-agcrn"}:
        other = model(window, Known(edges=edges.of(start + 4, 1)))
        assert not torch.allclose(other, together)


def test_a_study_trains_on_a_graph_that_changes(changing_store, tmp_path):
    run = settings_of(
        {"name": "snapshot-gconvgru", **MODELS["snapshot-gconvgru"]}, calendar=[], input_len=4, horizon=1,
        patience=None, regime="cumulative", epochs=60, learning_rate=0.02, milestones=[],
    )  # fmt: skip
    run["model"]["settings"]["dropout"] = 0.0
    train_run(run, changing_store.path, tmp_path / "run")
    rows = (tmp_path / "run" / "per_epoch_stats.csv").read_text().splitlines()[1:]
    errors = [float(row.split(",")[2]) for row in rows]
    assert errors[-1] < 0.8 * errors[0]


@pytest.mark.parametrize("name", SNAPSHOT)
def test_dropout_draws_anew_at_every_training_step(name, graph):
    model = build(name, graph)
    window = torch.randn(8, 4, 5, 1, dtype=torch.float64)
    assert torch.equal(model(window), model(window))
    model.train()
    assert not torch.equal(model(window), model(window))


@pytest.mark.parametrize("dropout", [-0.1, 1.0])
def test_a_share_that_is_none_is_refused(graph, dropout):
    with pytest.raises(InputError, match="dropout"):
        SnapshotA3TGCN(SHAPE, graph, hidden_channels=6, dropout=dropout)


def test_the_models_of_table_5_are_those_of_the_paper(pytestconfig):
    pipeline = yaml.safe_load((pytestconfig.rootpath / "pipelines/pgt-table5-small.yaml").read_text())
    assert set(SNAPSHOT) < set(pipeline["models"])
