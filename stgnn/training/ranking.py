"""What a trained link predictor says of the end of its stream: whom each source meets next, and embeddings.

Unlike in scoring nothing is held out: the model reads every event there is, then speaks of a later moment.

Axes: D destinations, S sources asked for, K candidates kept, N graph nodes, C embedding channels.
"""

import csv
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
import zarr
from numpy.typing import NDArray
from torch import Tensor

from stgnn.data.events.batches import EventBatch
from stgnn.distributed.world import World
from stgnn.errors import InputError
from stgnn.files import replacing, replacing_folder
from stgnn.models.temporal.base import State
from stgnn.store.split import HELD_OUT, TEST, TRAIN, VALIDATION
from stgnn.training.checkpoint import load_best_model
from stgnn.training.options import choose_device
from stgnn.training.stream_setup import prepare_stream

log = logging.getLogger(__name__)
AT_ONCE = 256  # sources
COLUMNS = ("source", "place", "destination", "score")


class TrainedStream:
    """A trained model at the end of its stream, asked about the moment `time`, in its unit (just after the last event).

    Raises `InputError` for a run that is not finished, of another task or another store, or a time inside the stream.
    """

    def __init__(self, run: Path, settings: Mapping[str, Any], store: Path, time: int | None = None) -> None:
        if settings["task"].get("predict") != "links":
            raise InputError(run, "is not a run that predicts links", "give the folder of one that does")
        self.setup = prepare_stream(settings, store, World(device=choose_device(settings["device"])))
        self._names = np.asarray(self.setup.store.node, dtype=object)
        self._sources = np.unique(self.setup.store.src)
        last = int(self.setup.store.t[-1])
        self.time = last + 1 if time is None else time
        if self.time <= last:
            raise InputError("--time", f"{time} is not after the last event, at {last}", "give a later time")
        if self.setup.model.learns:
            self.setup.model.load_state_dict(load_best_model(run / "checkpoint.pt", self.setup.device))
        self.setup.model.eval()

    @cached_property
    def _state(self) -> State:
        """After all events; made when what was asked for has been found to make sense."""
        return self.setup.state_after(
            TRAIN, HELD_OUT, VALIDATION, TEST,
            view=self.setup.view, doing="reading the stream", between=lambda: None,
        )  # fmt: skip

    def write_ranking(self, out: Path, sources: Sequence[str], keep: int) -> None:
        """Write the `keep` likeliest destinations of each source (of all that ever were one, if none is named) as CSV.

        The columns are the ids of the raw files, the place from 1, and the model's logit. Raises `InputError` for an id
        that is not in the stream.
        """
        numbers, names = self._numbers(sources) if sources else self._sources, self._names
        with replacing(out) as partial, partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for source, best, score in self._ranked(numbers, keep):
                for place, (destination, logit) in enumerate(zip(best, score, strict=True), start=1):
                    writer.writerow((names[source], place, names[destination], f"{logit:.6g}"))
        log.info("%d sources ranked in %s", len(numbers), out)

    def write_embeddings(self, out: Path) -> None:
        """Write the embedding of every graph node as a Zarr store: `embedding` [node, channel], ids in `node`."""
        model, view = self.setup.model.eval(), self.setup.view
        if not model.num_channels:
            raise InputError("--embeddings", "this model has none", "use one of the tgn family")
        shape = (self.setup.store.num_nodes, model.num_channels)
        with replacing_folder(out) as partial:
            group = zarr.open_group(partial, mode="w")
            rows = group.create_array("embedding", shape=shape, chunks=(AT_ONCE * 16, shape[1]), dtype="float32",
                                      dimension_names=("node", "channel"), attributes={"time": self.time})  # fmt: skip
            for first in range(0, shape[0], AT_ONCE):
                node_R = torch.arange(first, min(first + AT_ONCE, shape[0]), device=self.setup.device)
                time_R = torch.full_like(node_R, self.time)
                with torch.no_grad():
                    embedded = model.embed(self._state, node_R, time_R, view.neighbours.cut_at(time_R), view)
                rows[first : first + len(node_R)] = embedded.float().cpu().numpy()
            xr.Dataset(coords={"node": ("node", self._names)}).to_zarr(
                partial, mode="a", zarr_format=3, consolidated=False
            )
        log.info("%d embeddings in %s", shape[0], out)

    def _numbers(self, sources: Sequence[str]) -> NDArray[np.int64]:
        # Of sources alone: in a bipartite stream a destination may have the same id.
        known = dict(zip(self._names[self._sources], self._sources.tolist(), strict=True))
        for source in sources:
            if source not in known:
                raise InputError(
                    "--source", f"no source has the id {source!r}", "ids are those of the raw file"
                )
        return np.array([known[source] for source in sources], dtype=np.int64)

    @torch.no_grad()
    def _ranked(self, numbers: NDArray[Any], keep: int) -> Iterator[tuple[int, list[int], list[float]]]:
        destination_D = torch.from_numpy(self.setup.store.destination.copy()).long().to(self.setup.device)
        for first in range(0, len(numbers), AT_ONCE):
            source_S = torch.from_numpy(numbers[first : first + AT_ONCE]).long().to(self.setup.device)
            logit_SD = self.setup.model.eval().rank(
                self._state, self._moment(source_S), destination_D, self.setup.view
            )
            logit_SK, place_SK = logit_SD.topk(min(keep, len(destination_D)))
            best = destination_D[place_SK].tolist()
            yield from zip(source_S.tolist(), best, logit_SK.tolist(), strict=True)

    def _moment(self, source_S: Tensor) -> EventBatch:
        """The question as a batch of events that have not happened: to a model only sources and times matter."""
        time_S = torch.full_like(source_S, self.time)
        return EventBatch(self.setup.store.num_events, source_S, source_S, source_S, time_S, None, None)
