"""Decoders against their formulas."""

import torch

from stgnn.nn.temporal.decoders import LinkDecoder, NodeDecoder


def test_a_link_is_judged_by_a_perceptron_on_both_embeddings():
    torch.manual_seed(0)
    decoder, source, candidate = LinkDecoder(4), torch.randn(3, 4), torch.randn(3, 5, 4)
    found = decoder(source, candidate)
    both = torch.cat([source.unsqueeze(1).expand(-1, 5, -1), candidate], dim=2)
    torch.testing.assert_close(found, decoder.fc2(torch.relu(decoder.fc1(both))).squeeze(2))


def test_a_node_decoder_gives_one_logit_each():
    torch.manual_seed(0)
    decoder = NodeDecoder(4, 0.5)
    assert [layer.out_features for layer in decoder.layers if hasattr(layer, "out_features")] == [80, 10, 1]
    assert decoder(torch.randn(2, 3, 4)).shape == (2, 3)
