"""ST-LLM: GPT-2, most of it frozen, over one token a graph node. The only file that imports `transformers`.

Axes: B batch, T past entries, H future entries (horizon), N graph nodes, C input channels, F features to forecast,
D channels of each embedding, K the two calendar columns (time of day, day of week).
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.models.base import (
    NOTHING,
    Forecaster,
    Known,
    PositiveInt,
    TaskShape,
    require_positive,
    split_horizon,
)
from stgnn.models.calendar import place_in_window, step_of_day

DAYS = 7
HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")  # gpt2, openai-community/gpt2
REMEDY = (
    "give a folder with GPT-2's config.json and model.safetensors, or gpt2 where the hub can be reached "
    "(`hf download gpt2 --local-dir FOLDER` there fills a folder)"
)


class STLLMForecaster(Forecaster):
    """A window's embedding, its time's and its graph node's make one token a graph node; GPT-2 attends over them.

    Tokens stand in the order of the graph nodes, which GPT-2 numbers and of which each sees those before it. Only the
    last past entry's time counts; where the dataset has no dates, its place in window and horizon, the same for every
    window, stands for its time of day (`place_in_window`). No edges take part. Of GPT-2's first layers, all but the
    last ones train their layer norms alone; the last `trained_layers` train everything but their perceptrons, and so
    do the position embeddings and the final norm, as in the authors' code ("partially frozen attention").

    Source: Liu, Yang, Xu, Li, Long, Li, Zhao, "Spatial-Temporal Large Language Model for Traffic Prediction", MDM 2024.

    Args:
        gpt2: a folder with a GPT-2 checkpoint (config.json and model.safetensors), or its name on the Hugging Face
            hub, from where it is downloaded once. What begins with a dot, `/` or `~` or has two slashes is no such name
            and must be a folder. The run's settings hold this text alone: put other weights into another folder.
        gpt_layers: layers of GPT-2 that are used (paper: 6 of 12).
        trained_layers: how many of these, the last ones, train their attention (paper: 1).
        channels: D, width of each of the three embeddings (the authors' code: 256).
        steps_per_day: times of day that are told apart (288: five minutes each).
        dropout: share that training leaves out, inside GPT-2 (0.1).

    Raises:
        InputError: `transformers` is not installed, there is no complete GPT-2 at `gpt2`, it has too few layers, or it
            takes fewer tokens than there are graph nodes.
    """

    uses_graph = False

    def __init__(
        self,
        shape: TaskShape,
        graph: Graph,
        *,
        gpt2: str,
        gpt_layers: PositiveInt,
        trained_layers: PositiveInt,
        channels: PositiveInt,
        steps_per_day: PositiveInt,
        dropout: float,
    ) -> None:
        require_positive(
            gpt_layers=gpt_layers,
            trained_layers=trained_layers,
            channels=channels,
            steps_per_day=steps_per_day,
        )
        if not 0 <= dropout < 1:
            raise InputError("dropout", f"is {dropout}", "give a share in [0, 1)")
        super().__init__(shape, graph)
        self.steps_per_day = steps_per_day
        self.window = nn.Linear(shape.input_len * shape.num_inputs, channels)
        self.time_of_day = _embeddings(steps_per_day, channels)
        self.day_of_week = _embeddings(DAYS, channels)
        self.node = _embeddings(shape.num_nodes, channels)
        self.gpt = _first_layers(_load(gpt2, dropout), gpt2, gpt_layers, shape.num_nodes)
        _freeze(self.gpt, trained_layers)
        self.fusion = nn.Linear(3 * channels, self.gpt.config.n_embd)
        self.head = nn.Linear(self.gpt.config.n_embd, shape.horizon * shape.num_outputs)

    def forward(self, x_BTNC: Tensor, known: Known = NOTHING) -> Tensor:
        """Return the forecast `[B, H, N, F]`; see `Forecaster.forward`."""
        self.expect_window(x_BTNC)
        past_BTK, last = known.past_calendar_BTK, self.shape.input_len - 1
        now_B1K = (place_in_window(self.shape, x_BTNC) if past_BTK is None else past_BTK)[:, last : last + 1]
        window_BND = self.window(x_BTNC.transpose(1, 2).flatten(2))
        time_of_day_B1D = self.time_of_day[step_of_day(now_B1K, self.steps_per_day)]
        time_B1D = time_of_day_B1D + self.day_of_week[now_B1K[..., 1].long()]
        parts = (window_BND, time_B1D.expand_as(window_BND), self.node.expand_as(window_BND))
        tokens = self.fusion(torch.cat([part.to(window_BND.dtype) for part in parts], dim=2))
        hidden = self.gpt(inputs_embeds=tokens, use_cache=False).last_hidden_state
        return split_horizon(self.head(hidden), self.shape).to(x_BTNC.dtype)


def _embeddings(count: int, channels: int) -> nn.Parameter:
    return nn.Parameter(nn.init.xavier_uniform_(torch.empty(count, channels)))


def _load(where: str, dropout: float) -> Any:
    """GPT-2 in float32 from a folder or the hub; every weight must come from there."""
    if not Path(where).is_dir() and not HUB_NAME.fullmatch(where):
        raise InputError(f"gpt2: {where}", f"no such folder in {Path.cwd()}", REMEDY)
    try:
        from transformers import GPT2Model
        from transformers.utils import logging
    except ModuleNotFoundError as error:
        raise InputError(
            "transformers", "is not installed", "pip install 'stgnn[llm]' for models on GPT-2"
        ) from error
    logging.disable_progress_bar()  # a line a step in every worker's log
    rates = {"attn_pdrop": dropout, "embd_pdrop": dropout, "resid_pdrop": dropout}

    def loaded(**source: bool) -> Any:
        return GPT2Model.from_pretrained(where, output_loading_info=True, **source, **rates)

    try:
        model, report = _from_here_or_the_hub(loaded, Path(where).is_dir())
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"gpt2: {where}", f"gives no GPT-2 ({reason})", REMEDY) from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise InputError(f"gpt2: {where}", f"has no GPT-2 weights {missing[0]} (and others)", REMEDY)
    return model.float()


def _from_here_or_the_hub(loaded: Callable[..., Any], is_folder: bool) -> Any:
    """What is on this machine comes first: a compute node that reaches no hub would be told so after half a minute."""
    try:
        return loaded(local_files_only=True)
    except OSError:
        if is_folder:
            raise
        return loaded()


def _first_layers(model: Any, where: str, layers: int, tokens: int) -> Any:
    """The model without its later layers and its vocabulary, which no token here needs."""
    if layers > len(model.h):
        raise InputError(
            "gpt_layers", f"is {layers}, but {where} has {len(model.h)}", "use at most that many"
        )
    if tokens > model.config.n_positions:
        problem = f"has {tokens} graph nodes, each a token, but {where} takes {model.config.n_positions}"
        raise InputError("graph", problem, "choose a smaller dataset")
    model.h = model.h[:layers]
    model.config.n_layer = layers
    model.wte = nn.Identity()
    return model


def _freeze(model: Any, trained_layers: int) -> None:
    """Leave to training what "partially frozen attention" does."""
    frozen = max(len(model.h) - trained_layers, 0)
    for index, layer in enumerate(model.h):
        for name, parameter in layer.named_parameters():
            parameter.requires_grad_("ln" in name if index < frozen else "mlp" not in name)
