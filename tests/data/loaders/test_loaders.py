"""What loaders do beyond PyTorch Geometric Temporal's: leak nothing, fetch once, read lazily, say what is wrong."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stgnn.data import loaders
from stgnn.data.loaders import base
from stgnn.errors import InputError
from stgnn.store.mapped import MappedSignal
from tests.data.loaders.raw_files import N, T

Ours = Callable[..., Any]
STANDARDISED = [
    "ChickenpoxDatasetLoader",
    "PedalMeDatasetLoader",
    "WikiMathsDatasetLoader",
    "MontevideoBusDatasetLoader",
    "EnglandCovidDatasetLoader",
    "WindmillOutputLargeDatasetLoader",
    "WindmillOutputMediumDatasetLoader",
    "WindmillOutputSmallDatasetLoader",
]
TRAFFIC = ["METRLADatasetLoader", "PemsBayDatasetLoader", "PemsAllLADatasetLoader", "PemsDatasetLoader"]


@pytest.mark.parametrize("name", STANDARDISED)
def test_statistics_come_from_the_first_entries_by_default(ours: Ours, name: str) -> None:
    loader = ours(name)
    raw_TN = loader.store.rows(0, T)[..., 0].astype(np.float64)
    known_TN = raw_TN[: round(0.7 * T)]
    expected = (raw_TN - known_TN.mean(0)) / known_TN.std(0)
    dataset = loader.get_dataset(lags=3)
    assert len(dataset) == T - 3
    for start, snapshot in enumerate(dataset):
        np.testing.assert_allclose(snapshot.x, expected[start : start + 3].T, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(snapshot.y, expected[start + 3], rtol=1e-5, atol=1e-6)


def test_standardising_a_published_z_score_again_undoes_its_leak(tmp_path: Path, mirror: Path) -> None:
    """Later weeks, which the published statistics saw, change nothing of the training part."""
    datasets = []
    for number, later in enumerate([1.0, 9.0]):
        document = json.loads((mirror / "chickenpox.json").read_text())
        counts = np.array(document["FX"])
        counts[round(0.7 * T) :] *= later
        document["FX"] = ((counts - counts.mean(0)) / counts.std(0)).tolist()
        place = tmp_path / str(number)
        place.mkdir()
        (place / "chickenpox.json").write_text(json.dumps(document))
        datasets.append(loaders.ChickenpoxDatasetLoader(folder=place / "data", mirror=place).get_dataset())
    train = round(0.7 * T) - 4
    for one, other in zip(datasets[0][:train], datasets[1][:train], strict=True):
        torch.testing.assert_close(one.x, other.x, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", TRAFFIC)
def test_traffic_statistics_come_from_the_first_entries_by_default(ours: Ours, name: str) -> None:
    loader = ours(name)
    count = loader.store.shape[0]
    raw_TN2 = np.stack([loader.store.rows(0, count)[..., 0], np.tile(loader.store.calendar[:, :1], N)], -1)
    known = raw_TN2[: round(0.7 * count)].astype(np.float64)
    expected = (raw_TN2 - known.mean((0, 1))) / known.std((0, 1))
    for start, snapshot in zip(range(0, count, 11), loader.get_dataset(6, 3)[::11], strict=False):
        np.testing.assert_allclose(
            snapshot.x, expected[start : start + 6].transpose(1, 2, 0), rtol=1e-4, atol=1e-5
        )
        y = expected[start + 6 : start + 9].transpose(1, 2, 0)
        np.testing.assert_allclose(snapshot.y, y[:, 0] if "METR" in name else y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["ChickenpoxDatasetLoader", "EnglandCovidDatasetLoader", *TRAFFIC])
def test_the_scaler_brings_values_back_to_raw_units(ours: Ours, name: str) -> None:
    loader = ours(name)
    options = (1, 1) if name in TRAFFIC else (1,)
    x = torch.stack([each.x for each in loader.get_dataset(*options)])
    x_TNF = x[..., 0] if name in TRAFFIC else x
    back = loader.scaler().unscale(x_TNF)[..., 0]
    np.testing.assert_allclose(back, loader.store.rows(0, len(back))[..., 0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("normalise", ["train", "all"])
def test_a_constant_graph_node_becomes_zero(tmp_path: Path, mirror: Path, normalise: str) -> None:
    document = json.loads((mirror / "england_covid.json").read_text())
    for day in document["y"]:
        day[2] = 7
    (tmp_path / "england_covid.json").write_text(json.dumps(document))
    loader = loaders.EnglandCovidDatasetLoader(folder=tmp_path / "data", mirror=tmp_path)
    x = torch.stack([each.x for each in loader.get_dataset(normalise=normalise)])
    assert torch.isfinite(x).all() and (x[:, 2] == 0).all() and (x[:, 1] != 0).any()


def test_a_snapshot_may_have_the_graph_of_the_newest_lag(ours: Ours) -> None:
    loader = ours("EnglandCovidDatasetLoader")
    oldest, newest = loader.get_dataset(4), loader.get_dataset(4, graph="newest")
    for number in range(len(newest) - 3):
        assert torch.equal(newest[number].edge_index, oldest[number + 3].edge_index)
        assert torch.equal(newest[number].edge_attr, oldest[number + 3].edge_attr)
        assert torch.equal(newest[number].x, oldest[number].x)
    with pytest.raises(InputError, match="graph: is 'new'"):
        loader.get_dataset(4, graph="new")


def test_no_lags_and_no_batches_are_refused(ours: Ours) -> None:
    loader = ours("ChickenpoxDatasetLoader", index=True)
    with pytest.raises(InputError, match="input_len 0 and horizon 0 must be at least 1"):
        loader.get_index_dataset(lags=0)
    with pytest.raises(InputError, match="batch_size: is 0"):
        loader.get_index_dataset(batch_size=0)


INDEXED = ["ChickenpoxDatasetLoader", "WindmillOutputLargeDatasetLoader", *TRAFFIC]


@pytest.mark.parametrize("name", INDEXED)
def test_index_batches_equal_snapshots_to_the_bit(ours: Ours, name: str) -> None:
    loader = ours(name, index=True)
    lengths = (6, 6) if name in TRAFFIC else (6,)
    snapshots = loader.get_dataset(*lengths)
    train, _, _, edges, weights, *_ = loader.get_index_dataset(lags=6, batch_size=4)
    x, y = (torch.cat(parts) for parts in zip(*train, strict=True))
    for number in range(0, len(x), 3):
        snapshot = snapshots[number]
        assert torch.equal(snapshot.x.reshape(N, -1, 6), x[number].permute(1, 2, 0))
        if "METR" in name:
            assert torch.equal(snapshot.y, y[number, ..., 0].T)
        elif name in TRAFFIC:
            assert torch.equal(snapshot.y, y[number].permute(1, 2, 0))
        else:
            assert torch.equal(snapshot.y, y[number, 0, :, 0])
        assert torch.equal(snapshot.edge_index, edges) and torch.equal(snapshot.edge_attr, weights)


def test_only_training_batches_are_shuffled_and_anew_each_epoch(ours: Ours) -> None:
    loader = ours("METRLADatasetLoader")
    train, validation, _, *_ = loader.get_index_dataset(lags=3, batch_size=16, shuffle=True)
    plain, expected, _, *_ = loader.get_index_dataset(lags=3, batch_size=16)
    passes = [torch.cat([x for x, _ in train]) for _ in range(2)]
    assert not torch.equal(*passes)
    every = torch.cat([x for x, _ in plain])
    for one in passes:
        assert sorted(one[:, 0, 0, 0].tolist()) == sorted(every[:, 0, 0, 0].tolist())
    assert all(torch.equal(a[0], b[0]) for a, b in zip(validation, expected, strict=True))
    train.sampler.set_epoch(0)
    assert torch.equal(torch.cat([x for x, _ in train]), passes[0])


def test_ranks_share_every_batch(ours: Ours) -> None:
    loader = ours("PemsBayDatasetLoader")
    alone = loader.get_index_dataset(lags=3, batch_size=16)
    ranks = [loader.get_index_dataset(lags=3, batch_size=8, world_size=2, ddp_rank=rank) for rank in range(2)]
    for whole, *parts in zip(alone[0], ranks[0][0], ranks[1][0], strict=True):
        assert torch.equal(whole[0], torch.cat([part[0] for part in parts]))
    for split in (1, 2):
        held = [list(rank[split]) for rank in ranks]
        assert [len(rank[split]) for rank in ranks] == [len(batches) for batches in held]
        expected = torch.cat([y for _, y in alone[split]])
        assert torch.equal(expected, torch.cat([y for batches in held for _, y in batches]))
    with pytest.raises(InputError, match="ddp_rank"):
        loader.get_index_dataset(world_size=2, ddp_rank=2)


def test_a_store_is_made_once_and_needs_no_raw_files_then(
    tmp_path: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    real = base.write_store
    monkeypatch.setattr(base, "write_store", lambda *given: (made.append(given[1]), real(*given))[1])

    def load(_: int) -> int:
        return len(loaders.PedalMeDatasetLoader(folder=tmp_path, mirror=mirror).get_dataset())

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(load, range(4))) == [T - 4] * 4
    assert made == [tmp_path / "stores" / "pedalme-london.zarr"]
    (tmp_path / "raw" / "pedalme-london" / "pedalme_london.json").unlink()
    assert len(loaders.PedalMeDatasetLoader(folder=tmp_path).get_dataset()) == T - 4


def test_nothing_is_fetched_before_it_is_needed(tmp_path: Path) -> None:
    loader = loaders.ChickenpoxDatasetLoader(folder=tmp_path / "data", mirror=tmp_path)
    assert not (tmp_path / "data").exists()
    with pytest.raises(InputError, match=r"chickenpox\.json: .* holds no file of that name"):
        loader.get_dataset()


def test_raw_files_in_the_folder_that_pgt_downloads_to_are_used(mirror: Path, tmp_path: Path) -> None:
    (tmp_path / "METR-LA.zip").write_bytes((mirror / "METR-LA.zip").read_bytes())
    assert len(loaders.METRLADatasetLoader(str(tmp_path)).get_dataset()) == 310 - 23
    assert (tmp_path / "stores" / "metr-la.zarr").is_dir() and not (tmp_path / "raw").exists()
    (tmp_path / "windmill_output.json").write_bytes((mirror / "windmill_output.json").read_bytes())
    assert len(loaders.WindmillOutputLargeDatasetLoader(tmp_path).get_dataset()) == T - 8


@pytest.mark.parametrize("name", [*STANDARDISED, *TRAFFIC, "MTMDatasetLoader", "TwitterTennisDatasetLoader"])
def test_snapshots_are_read_when_they_are_asked_for(
    ours: Ours, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = ours(name).get_dataset()
    read: list[tuple[int, int]] = []
    real = MappedSignal.rows
    monkeypatch.setattr(MappedSignal, "rows", lambda self, *cut: (read.append(cut), real(self, *cut))[1])
    assert len(dataset[2:][[1, 3]]) == 2 and read == []
    snapshot = dataset[2:][[1, 3]][0]
    assert snapshot.x is not None and read and all(3 <= start < stop <= 27 for start, stop in read)


def test_arguments_that_no_dataset_has_are_refused(ours: Ours) -> None:
    with pytest.raises(InputError, match="normalise: is 'none'"):
        ours("ChickenpoxDatasetLoader").get_dataset(normalise="none")
    with pytest.raises(InputError, match="train_ratio"):
        ours("ChickenpoxDatasetLoader").get_dataset(train_ratio=0)
    with pytest.raises(InputError, match="hold no window of 40"):
        ours("ChickenpoxDatasetLoader").get_dataset(T)
    with pytest.raises(InputError, match="the file has 'y' alone"):
        ours("MontevideoBusDatasetLoader").get_dataset(feature_vars=["y", "z"])
    with pytest.raises(InputError, match="dask_batching"):
        ours("ChickenpoxDatasetLoader").get_index_dataset(dask_batching=True)
    with pytest.raises(InputError, match="frames"):
        ours("MTMDatasetLoader").get_dataset(T)


@pytest.mark.parametrize(
    "options", [{"event_id": "ao17"}, {"feature_mode": "raw"}, {"N": 0}, {"target_offset": -1}]
)
def test_an_unknown_tournament_or_mode_is_refused_at_once(ours: Ours, options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        ours("TwitterTennisDatasetLoader", **options)
