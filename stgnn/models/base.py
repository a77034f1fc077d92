"""What every forecaster is: the shape of its task, its inputs and its output.

The models live in the files beside this one; how one is made from its settings lives in `build`.

Axes: B batch, T past entries, H future entries (horizon), N graph nodes, C input channels
(features first, then calendar channels), F output features, K the two calendar columns.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from stgnn.data.edges import WindowEdges
from stgnn.errors import InputError
from stgnn.graph.graph import Graph

PositiveInt: TypeAlias = int  # of a setting: at least 1, which studies check by this name


@dataclass(frozen=True)
class TaskShape:
    """The sizes that a task fixes for every model trained on it."""

    input_len: int  # T
    horizon: int  # H
    num_nodes: int  # N
    num_inputs: int  # C: the features that the model sees and the calendar channels
    num_outputs: int  # F: the features to forecast, the first of those that it sees if it sees them

    def __post_init__(self) -> None:
        require_positive(**vars(self))


@dataclass(frozen=True)
class Known:
    """What a model may know beside the window; None where there is none of it.

    Attributes:
        past_calendar_BTK: time of day in [0, 1) and day of week 0..6 of the past entries, for models that know the
            time itself, whatever channels the input has; None when the dataset has no dates.
        calendar_BHK: the same of the future entries.
        edges: where the graph changes with time, those of the last past entry or of all past entries, for models that
            read them.
        target_BHNF: scaled future entries without NaN, for training by scheduled sampling only.
        step: optimiser steps done so far, for schedules inside a model.
    """

    past_calendar_BTK: Tensor | None = None
    calendar_BHK: Tensor | None = None
    edges: WindowEdges | None = None
    target_BHNF: Tensor | None = None
    step: int = 0


NOTHING = Known()


class Forecaster(nn.Module):
    """Maps a window of past entries to the entries that follow, for all graph nodes at once.

    A subclass adds its settings as annotated keyword-only arguments (studies and `build_model` check names
    and types against them; `PositiveInt` is at least 1), says in its body which of the flags below are True,
    starts with `super().__init__(shape, graph)` and implements `forward`. Every parameter must take part in
    every training step: distributed training waits for all gradients.

    One whose settings need long windows has a static method `least_input_len`: its arguments are named like settings,
    nothing else is used in it. Studies work it out from the source and refuse shorter windows. In the same way
    `contradiction` returns which setting is wrong beside the others, why, and what to do, or None.

    `graph` is the dataset's. Where that changes with time it is the mean of those of the training entries
    (`stgnn.data.mean_graph`), or has no edges: for a model that asks, by a flag, for those of each window, and for one
    that says it uses none.
    """

    # Read from the source: a study that does not have it is refused before any job.
    needs_dates: ClassVar[bool] = False
    needs_equal_lengths: ClassVar[bool] = False  # of input and horizon
    needs_past_target: ClassVar[bool] = False  # in its input, where a task chooses what a model sees
    # Is given the edges of each window's last entry, or of all its past entries, where the graph changes with time.
    reads_edges: ClassVar[bool] = False
    reads_past_edges: ClassVar[bool] = False
    uses_graph: ClassVar[bool] = True  # False: the forecast does not depend on it

    def __init__(self, shape: TaskShape, graph: Graph) -> None:
        super().__init__()
        if graph.num_nodes != shape.num_nodes:
            raise InputError(
                "graph", f"has {graph.num_nodes} graph nodes but the signal has {shape.num_nodes}"
            )
        if self.needs_past_target and shape.num_outputs > shape.num_inputs:
            problem = f"{shape.num_outputs} features to forecast but only {shape.num_inputs} input channels"
            raise InputError("task", problem, "let the model see the past of all that it forecasts")
        self.shape, self.graph = shape, graph

    def forward(self, x_BTNC: Tensor, known: Known = NOTHING) -> Tensor:
        """Return the forecast `[B, H, N, F]` in scaled units, in the dtype of `x_BTNC`.

        `x_BTNC` holds scaled features, then calendar channels, of the past entries.
        """
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def graphs(self, known: Known) -> Graph | WindowEdges:
        """Return the graph of all entries, or the edges that each entry has of its own."""
        return self.graph if known.edges is None else known.edges

    def expect_window(self, x_BTNC: Tensor) -> None:
        """Raise `InputError` unless the window has the task's sizes; call it first in `forward`."""
        shape = self.shape
        expected = (shape.input_len, shape.num_nodes, shape.num_inputs)
        if x_BTNC.dim() != 4 or tuple(x_BTNC.shape[1:]) != expected:
            sizes = ", ".join(str(size) for size in expected)
            raise InputError(
                "x_BTNC",
                f"has shape {list(x_BTNC.shape)}, expected [batch, {sizes}]",
                "give [batch, input_len, graph nodes, features + calendar channels]",
            )


class Scales(Protocol):
    """The part of `stgnn.data.scaler.Scaler` that a fitted model needs."""

    def scale(self, values: Tensor, /) -> Tensor:
        """Return raw `values [..., F]` in scaled units."""


class FittedForecaster(Forecaster):
    """A forecaster without gradients: one of the two below, whose `fit` reads the training part once.

    Buffers hold the result.
    """

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        # What is fitted sets the buffers' sizes, so an unfitted model takes those of the checkpoint.
        for name, buffer in self.named_buffers(recurse=False):
            saved = state_dict.get(prefix + name)
            if isinstance(saved, Tensor):
                setattr(self, name, buffer.new_empty(saved.shape))
        super()._load_from_state_dict(state_dict, prefix, *args)


class FittedOnRows(FittedForecaster):
    """Fitted on the entries that training windows touch, each once."""

    def fit(
        self,
        store_rows: Callable[[int, int], NDArray[np.float32]],
        calendar: NDArray[np.float32] | None,
        train_rows: range,
        scaler: Scales,
        null_value: float | None,
    ) -> None:
        """Set the buffers from the rows of the training windows.

        Args:
            store_rows: `store_rows(start, stop)` gives the raw entries `[rows, N, F]`.
            calendar: `[all rows, 2]` time of day and day of week, or None without dates.
            train_rows: the contiguous rows that training windows touch.
            scaler: turns raw values into the scaled units of the forecast; on the model's device.
            null_value: the raw value (0.0, nan, ...) that marks a missing one, if any does.
        """
        raise NotImplementedError(f"{type(self).__name__} has no fit")


ScaledWindows: TypeAlias = tuple[Tensor, Tensor, Tensor]
"""Of a batch: the input `x_BTNC`, the scaled future `y_BHNF` without NaN, and which of its entries count."""


class FittedOnWindows(FittedForecaster):
    """Fitted on the training windows, by sums over them."""

    def fit(self, windows: Iterable[ScaledWindows], add_up: Callable[[Tensor], Tensor]) -> None:
        """Set the buffers from this worker's `windows`; `add_up` gives the sum of a tensor over all workers."""
        raise NotImplementedError(f"{type(self).__name__} has no fit")


def require_positive(**settings: int) -> None:
    """Raise `InputError` naming the first setting below 1."""
    for name, value in settings.items():
        if value < 1:
            raise InputError(name, f"is {value}", "give a whole number of at least 1")


def require_choices(init: Callable[..., None], **settings: str) -> None:
    """Raise `InputError` naming the first setting that is none of those its annotation in `init`, a Literal, has."""
    hints = get_type_hints(init)
    for name, value in settings.items():
        choices = get_args(hints[name])
        if value not in choices:
            raise InputError(name, f"found {value!r}", f"expected one of: {', '.join(choices)}")


def split_horizon(y_BNM: Tensor, shape: TaskShape) -> Tensor:
    """Cut the `horizon * F` channels of a direct head into the forecast `[B, H, N, F]`."""
    return y_BNM.reshape(*y_BNM.shape[:2], shape.horizon, shape.num_outputs).transpose(1, 2)
