"""Optimisers and learning rates: milestones, scaling with the global batch, warm-up."""

import math
from bisect import bisect_right
from collections.abc import Callable

import torch
from torch import nn

from stgnn.training.options import Training

OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}

# By what the learning rate is multiplied when the global batch is k times `batch_size`. Linear: Goyal et al.,
# "Accurate, Large Minibatch SGD", 2017; square root: Krizhevsky, "One weird trick", 2014.
SCALINGS: dict[str, Callable[[float], float]] = {
    "none": lambda k: 1.0,
    "linear": lambda k: k,
    "sqrt": math.sqrt,
}


def make_optimiser(model: nn.Module, training: Training) -> torch.optim.Optimizer:
    """The optimiser that the settings name, over the model's parameters (none for a fitted baseline)."""
    parameters = list(model.parameters()) or [nn.Parameter(torch.zeros(0))]
    return OPTIMISERS[training.optimiser](
        parameters, lr=training.learning_rate, eps=training.epsilon, weight_decay=training.weight_decay
    )


def learning_rate(training: Training, workers: int, epoch: int, passed: float) -> float:
    """The learning rate when `passed` of `epoch` (counted from 0) is over, 0 <= passed < 1.

    It rises in a straight line from `learning_rate` to its scaled value over `warmup_epochs` (Goyal et
    al., section 2.2), and is multiplied by `gamma` at each milestone.
    """
    grown = workers if training.batch_scope == "worker" else 1
    factor = SCALINGS[training.learning_rate_scaling](grown)
    if training.warmup_epochs > 0:
        factor = 1 + (factor - 1) * min((epoch + passed) / training.warmup_epochs, 1.0)
    return training.learning_rate * factor * training.gamma ** bisect_right(training.milestones, epoch)
