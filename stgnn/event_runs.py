"""What a run on an event stream is: its task, its training, and the run that its encoder comes from."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stgnn.errors import InputError
from stgnn.tasks import LINKS, NODES, stream_protocol

Settings = Mapping[str, Any]


def section(key: str, layers: Iterable[Settings]) -> dict[str, Any]:
    """Merge a section of several layers, later over earlier."""
    return {name: value for layer in layers for name, value in layer.get(key, {}).items()}


def event_sections(
    settings: Settings, defaults: Settings, model: Settings, layers: Sequence[Settings], path: Path
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return `task` and `training` of a run on events, and the settings of the run that trains its encoder, if any.

    Args:
        settings: all else of the run.
        defaults: config.yaml's `defaults`.
        model: its entry of models.yaml.
        layers: what dataset, model, pipeline and overrides say, later over earlier.
        path: the pipeline, for messages.
    """
    task = section("task", [defaults["events"], *layers])
    _refuse_batch_size([layer for layer in layers if layer is not model], path)
    training = _training(settings["batching"], defaults, layers)
    if task["predict"] == LINKS:
        if any("encoder" in layer.get("task", {}) for layer in layers):
            problem = "task.encoder: is of node classification, but the task is to predict links"
            raise InputError(path, problem, "remove it, or set predict: nodes")
        del task["encoder"]
        return {"task": task, "training": training}, None
    _refuse_batch_size([task["encoder"]], path)
    if "run" in task["encoder"]:
        raise InputError(path, "task.encoder.run: follows from its other settings", "remove it")
    encoder = {**defaults["events"]["task"]["encoder"], **task.pop("encoder")}
    own = [model, {"training": encoder["training"]}]
    run = {
        **settings,
        "batching": encoder["batching"],
        "task": {"predict": LINKS, "negatives": task.pop("negatives")},
        "training": _training(encoder["batching"], defaults, own),
    }
    return {"task": task | {"predict": NODES}, "training": training}, run


def _training(batching: str, defaults: Settings, layers: Sequence[Settings]) -> dict[str, Any]:
    """The training of a run whose batches are those of its protocol."""
    protocol = stream_protocol(batching)
    size = (
        {} if protocol is None else {"batch_size": protocol.batch_size}
    )  # a signal's batching is refused later
    return section("training", [defaults, defaults["events"], *layers]) | size


def _refuse_batch_size(layers: Sequence[Settings], path: Path) -> None:
    if any("batch_size" in layer.get("training", {}) for layer in layers):
        problem = "training.batch_size: the batch of an event stream belongs to its protocol"
        raise InputError(
            path, problem, "remove it, and list `strict-time-b200` or the like under `batching:`"
        )
