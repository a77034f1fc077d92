"""ST-LLM on a tiny GPT-2 drawn at random, loaded from its folder as a real one is."""

import json
import shutil
import sys

import pytest
import torch

from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.models.base import Known, TaskShape
from stgnn.models.st_llm import STLLMForecaster

SHAPE = TaskShape(input_len=2, horizon=3, num_nodes=5, num_inputs=3, num_outputs=1)
SIZES = {"gpt_layers": 4, "trained_layers": 1, "channels": 6, "steps_per_day": 24, "dropout": 0.1}
WINDOW = torch.randn(2, 2, 5, 3, generator=torch.Generator().manual_seed(0))
KNOWN = Known(past_calendar_BTK=torch.tensor([[[0.5, 2.0], [0.75, 2.0]], [[0.0, 6.0], [0.25, 6.0]]]))


def build(graph, gpt2, **changes):
    torch.manual_seed(0)
    return STLLMForecaster(SHAPE, graph, gpt2=str(gpt2), **{**SIZES, **changes})


@pytest.fixture
def model(graph, tiny_gpt2):
    return build(graph, tiny_gpt2).eval()


def test_the_first_layers_hold_the_weights_of_the_folder(model, tiny_gpt2):
    from safetensors.torch import load_file

    saved, held = load_file(tiny_gpt2 / "model.safetensors"), model.gpt.state_dict()
    assert {name.split(".")[1] for name in held if name.startswith("h.")} == {"0", "1", "2", "3"}
    assert all(torch.equal(value, saved[name]) for name, value in held.items())
    assert "wte.weight" not in held


def test_a_token_is_the_fusion_of_window_time_and_graph_node(model):
    now = model.time_of_day[[18, 6]] + model.day_of_week[[2, 6]]
    parts = [
        model.window(WINDOW.transpose(1, 2).reshape(2, 5, 6)),
        now[:, None].expand(-1, 5, -1),
        model.node.expand(2, -1, -1),
    ]
    tokens = model.fusion(torch.cat(parts, dim=2))
    hidden = model.gpt(inputs_embeds=tokens).last_hidden_state
    expected = model.head(hidden).transpose(1, 2).unsqueeze(3)
    torch.testing.assert_close(model(WINDOW, KNOWN), expected)


def test_frozen_layers_train_their_norms_and_the_last_ones_all_but_their_perceptrons(model):
    trained = {name for name, parameter in model.gpt.named_parameters() if parameter.requires_grad}
    norms = {f"h.{layer}.ln_{i}.{kind}" for layer in range(4) for i in (1, 2) for kind in ("weight", "bias")}
    attention = {f"h.3.attn.{part}.{kind}" for part in ("c_attn", "c_proj") for kind in ("weight", "bias")}
    assert trained == norms | attention | {"wpe.weight", "ln_f.weight", "ln_f.bias"}


def test_training_leaves_the_frozen_weights_alone(graph, tiny_gpt2):
    model = build(graph, tiny_gpt2).train()
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(WINDOW, KNOWN).square().mean().backward()
    optimiser.step()
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) != parameter.requires_grad, name


def test_dropout_is_that_of_the_settings(graph, tiny_gpt2):
    model = build(graph, tiny_gpt2, dropout=0.0).train()
    assert torch.equal(model(WINDOW, KNOWN), model(WINDOW, KNOWN))
    model = build(graph, tiny_gpt2, dropout=0.5).train()
    assert not torch.allclose(model(WINDOW, KNOWN), model(WINDOW, KNOWN))


def test_without_dates_the_last_past_entry_has_its_place_for_a_time_of_day(model):
    place = torch.tensor([[0.0, 0.0], [0.2, 0.0]]).expand(2, -1, -1)
    assert torch.equal(model(WINDOW), model(WINDOW, Known(past_calendar_BTK=place)))


def test_a_folder_without_gpt2_is_refused_in_one_line(graph, tiny_gpt2, tmp_path):
    with pytest.raises(InputError, match=r"gives no GPT-2.*config\.json and model\.safetensors") as error:
        build(graph, tmp_path)
    assert "\n" not in str(error.value)


def test_a_name_is_looked_for_on_this_machine_before_the_hub(graph, tiny_gpt2, monkeypatch):
    from transformers import GPT2Model

    asked, load = [], GPT2Model.from_pretrained

    def watch(where, local_files_only=False, **options):
        asked.append((where, local_files_only))
        if local_files_only:
            raise OSError("not in the cache")
        return load(tiny_gpt2, **options)

    monkeypatch.setattr(GPT2Model, "from_pretrained", watch)
    build(graph, "someone/gpt2")
    assert asked == [("someone/gpt2", True), ("someone/gpt2", False)]


@pytest.mark.parametrize("where", ["./config/gpt2-tony", "a/b/c", "/no/where", "~/gpt2", "../gpt2", "gpt2/"])
def test_a_folder_that_is_not_there_is_not_looked_for_on_the_hub(graph, where):
    with pytest.raises(InputError, match=r"gpt2: .*no such folder in"):
        build(graph, where)


def test_a_checkpoint_of_another_model_is_refused_and_not_drawn_at_random(graph, tiny_gpt2, tmp_path):
    folder = tmp_path / "deeper"
    shutil.copytree(tiny_gpt2, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "n_layer": 8}))
    with pytest.raises(InputError, match=r"has no GPT-2 weights h\.6\."):
        build(graph, folder)


def test_more_layers_than_there_are_and_more_graph_nodes_than_tokens_are_refused(graph, tiny_gpt2):
    with pytest.raises(InputError, match=r"gpt_layers: is 7, but .* has 6"):
        build(graph, tiny_gpt2, gpt_layers=7)
    shape = TaskShape(input_len=2, horizon=3, num_nodes=17, num_inputs=3, num_outputs=1)
    wide = Graph(graph.edge_index, graph.edge_weight, 17)
    with pytest.raises(InputError, match=r"17 graph nodes, each a token, but .* takes 16"):
        STLLMForecaster(shape, wide, gpt2=str(tiny_gpt2), **SIZES)


def test_without_transformers_it_says_what_to_install(graph, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match=r"transformers: is not installed.*stgnn\[llm\]"):
        build(graph, "gpt2")
