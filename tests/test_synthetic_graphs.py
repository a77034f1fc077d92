"""Small-world graphs: each entry's own, of the declared size, in a layout that its reader knows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stgnn.catalog import load_catalog
from stgnn.errors import InputError
from stgnn.raw import read
from stgnn.synthetic import write_synthetic
from stgnn.synthetic_graphs import WattsStrogatzSettings, watts_strogatz

ROOT = Path(__file__).parents[1]
SMALL = {"generator": "watts-strogatz", "nodes": 20, "edges": 6, "entries": 5, "seed": 3}


def ends(settings: WattsStrogatzSettings, seed: int = 0) -> np.ndarray:
    return np.stack(np.divmod(watts_strogatz(settings, np.random.default_rng(seed)), settings.nodes))


def test_without_rewiring_it_is_a_ring_of_neighbours() -> None:
    low, high = ends(WattsStrogatzSettings(nodes=10, edges=4, rewired=0.0))
    around = np.minimum(high - low, 10 - (high - low))
    assert len(low) == 20 and sorted(around.tolist()) == [1] * 10 + [2] * 10


@pytest.mark.parametrize("rewired", [0.3, 1.0])
def test_rewiring_keeps_the_number_of_edges_and_makes_none_twice(rewired: float) -> None:
    settings = WattsStrogatzSettings(nodes=200, edges=20, rewired=rewired)
    low, high = ends(settings)
    assert len(set(zip(low.tolist(), high.tolist(), strict=True))) == 2000 and (low < high).all()
    near = np.minimum(high - low, 200 - (high - low)) <= 10
    # Of the rewired ones about a tenth come to lie near by chance.
    assert np.mean(~near) == pytest.approx(0.9 * rewired, abs=0.05)


def test_every_entry_has_a_graph_of_its_own_with_both_directions(tmp_path: Path) -> None:
    write_synthetic(SMALL, tmp_path)
    dataset = load_catalog(ROOT / "config" / "watts-strogatz.yaml")["watts-strogatz-64n-8e-8f"]
    signal = read(dataset, tmp_path)
    assert signal.shape == (5, 20, 1) and signal.edge_ptr is not None
    assert np.diff(signal.edge_ptr).tolist() == [120] * 5 and (signal.edge_weight == 1).all()
    graphs = [set(map(tuple, graph.T.tolist())) for graph in np.split(signal.edge_index, 5, axis=1)]
    assert all(graph == {(end, start) for start, end in graph} for graph in graphs)
    assert len({frozenset(graph) for graph in graphs}) == 5
    assert set(np.unique(next(iter(signal.blocks())))) == {0, 1}


def test_equal_settings_give_equal_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        write_synthetic(SMALL | {"seed": seed}, tmp_path / name)
    one, two, other = (
        (tmp_path / name / "watts_strogatz.json").read_bytes() for name in ("one", "two", "other")
    )
    assert one == two != other


@pytest.mark.parametrize("wrong", [{"edges": 5}, {"edges": 12}])
def test_edges_that_make_no_ring_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(
        InputError, match=rf"`edges: {wrong['edges']}` of 20 graph nodes; expected an even number"
    ):
        write_synthetic(SMALL | wrong, tmp_path)
