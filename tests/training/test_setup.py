"""What is set up before a run's first step."""

import logging

import pytest
import torch

from stgnn.distributed.world import World
from stgnn.store import SignalStore
from stgnn.training import setup
from stgnn.training.setup import has_bfloat16_instructions, prepare
from tests.training.conftest import settings_of


@pytest.mark.parametrize(
    "precision, native, warnings", [("bfloat16", False, 1), ("bfloat16", True, 0), ("float32", False, 0)]
)
def test_bfloat16_on_a_cpu_that_must_imitate_it_is_warned_of(
    small_store: SignalStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    precision: str,
    native: bool,
    warnings: int,
) -> None:
    monkeypatch.setattr(setup, "has_bfloat16_instructions", lambda: native)
    with caplog.at_level(logging.WARNING):
        prepare(settings_of(precision=precision), small_store.path, World(device=torch.device("cpu")))
    assert [record.getMessage().startswith("bfloat16 is slow here") for record in caplog.records] == [
        True
    ] * warnings


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_any_cpu_can_be_asked_for_its_instructions(monkeypatch: pytest.MonkeyPatch, machine: str) -> None:
    monkeypatch.setattr(setup.platform, "machine", lambda: machine)
    assert has_bfloat16_instructions() in (True, False)
