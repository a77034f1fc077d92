"""Metrics of links against hand-made scores, closed forms and brute force."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from stgnn.errors import InputError
from stgnn.training.link_metrics import NEGATIVES, LinkScores, ranks

DESTINATION_D = torch.tensor([3, 5, 6, 9])


def rank_of(score_BD, dst_B, src_B=None, t_B=None):
    count = len(dst_B)
    src_B = torch.arange(count) if src_B is None else torch.tensor(src_B)
    t_B = torch.arange(count) if t_B is None else torch.tensor(t_B)
    return ranks(torch.tensor(score_BD), DESTINATION_D, src_B, torch.tensor(dst_B), t_B).tolist()


def test_rank_counts_the_greater_and_half_of_the_equal():
    assert rank_of([[0.1, 0.9, 0.5, 0.5], [2.0, 1.0, 0.0, -1.0]], [6, 3]) == [2.5, 1.0]


def test_constant_scorer_ranks_in_the_middle():
    assert rank_of([[1.0, 1.0, 1.0, 1.0]] * 4, [3, 5, 6, 9]) == [2.5] * 4


def test_other_true_destinations_of_the_same_source_and_time_are_no_rivals():
    scores = [[0.4, 0.3, 0.2, 0.1]] * 3
    assert rank_of(scores, [3, 5, 9], src_B=[1, 1, 1], t_B=[7, 7, 8]) == [1.0, 1.0, 4.0]
    assert rank_of(scores, [3, 5, 9], src_B=[1, 2, 1], t_B=[7, 7, 7]) == [1.0, 2.0, 3.0]


def test_event_given_twice_at_the_same_time_is_ranked_like_once():
    assert rank_of([[0.4, 0.3, 0.2, 0.1]] * 2, [9, 9], src_B=[1, 1], t_B=[7, 7]) == [4.0, 4.0]


def test_ranks_equal_brute_force_with_ties():
    random = np.random.default_rng(0)
    score_BD = random.integers(0, 3, (60, 4)).astype(np.float32)
    src_B, t_B = random.integers(0, 3, 60), random.integers(0, 5, 60)
    column_B = random.integers(0, 4, 60)
    expected = []
    for row in range(60):
        truths = set(column_B[(src_B == src_B[row]) & (t_B == t_B[row])])
        rivals = [score_BD[row, column] for column in range(4) if column not in truths]
        own = score_BD[row, column_B[row]]
        expected.append(1 + sum(s > own for s in rivals) + sum(s == own for s in rivals) / 2)
    assert rank_of(score_BD.tolist(), DESTINATION_D[column_B].tolist(), src_B, t_B) == expected


@pytest.fixture
def batches():
    """Three uneven batches of positives, one negative of each kind, flags and ranks."""
    random = np.random.default_rng(1)
    return [batch_of(size, random) for size in (7, 50, 3)]


def batch_of(size, random):
    negative = {kind: torch.from_numpy(random.normal(0, 1, (size, 1))) for kind in NEGATIVES}
    positive_B = torch.from_numpy(random.normal(0.7, 1, size))
    return positive_B, negative, torch.from_numpy(random.random(size) < 0.3), torch.arange(size) + 1.0


def pooled_ap(batches, kind, only=lambda new: torch.ones_like(new)):
    positive = torch.cat([p[only(new)] for p, _, new, _ in batches])
    negative = torch.cat([n[kind][only(new)].flatten() for _, n, new, _ in batches])
    truth = np.repeat([True, False], [len(positive), len(negative)])
    return average_precision_score(truth, torch.cat([positive, negative]).float().numpy())


def test_ap_is_that_of_all_scores_together_and_the_mean_over_batches_stands_beside(batches):
    scores = LinkScores()
    for batch in batches:
        scores.add(*batch)
    summary = scores.summary()
    for kind in NEGATIVES:
        assert summary["all"][kind]["ap"] == pytest.approx(pooled_ap(batches, kind), abs=1e-12)
        one_by_one = [pooled_ap([batch], kind) for batch in batches]
        assert summary["all"][kind]["ap_batch"] == pytest.approx(np.mean(one_by_one), abs=1e-12)
    assert summary["all"]["count"] == 60


def test_inductive_metrics_are_those_of_events_with_a_new_node(batches):
    scores = LinkScores()
    for batch in batches:
        scores.add(*batch)
    new = scores.summary()["new"]
    assert new["random"]["ap"] == pytest.approx(pooled_ap(batches, "random", lambda new: new), abs=1e-12)
    rank = torch.cat([rank[new] for _, _, new, rank in batches])
    assert new["every"]["mrr"] == pytest.approx(float((1 / rank).mean()))
    assert new["every"]["hits_3"] == pytest.approx(float((rank <= 3).double().mean()))
    assert new["count"] == len(rank)


@pytest.mark.parametrize("nodes", ["all", "new"])
def test_proper_metrics_are_those_of_events_whose_negatives_are_no_fallbacks(batches, nodes):
    scores, kept = LinkScores(), []
    for number, (positive_B, negative, new_B, rank_B) in enumerate(batches):
        fallback = torch.arange(len(new_B)) % 3 > 0 if number else torch.ones(len(new_B), dtype=torch.bool)
        scores.add(positive_B, negative, new_B, rank_B, {"historical": fallback.numpy()})
        kept.append(~fallback & (new_B | (nodes == "all")))
    found = scores.summary()[nodes]
    chosen = [(p, n, keep, r) for (p, n, _, r), keep in zip(batches, kept, strict=True)]
    expected = pooled_ap(chosen, "historical", lambda keep: keep)
    assert found["historical"]["ap_proper"] == pytest.approx(expected, abs=1e-12)
    assert found["historical"]["ap_proper"] != found["historical"]["ap"]
    assert found["historical"]["count_proper"] == sum(int(keep.sum()) for keep in kept)
    assert found["historical"]["fallback"] == pytest.approx(
        1 - sum(int(keep.sum()) for keep in kept) / found["count"]
    )
    assert found["inductive"]["fallback"] == 0
    # Where nothing is said of fallbacks there are none; random negatives never are any.
    assert found["inductive"]["auc_proper"] == found["inductive"]["auc"]
    assert found["inductive"]["count_proper"] == found["count"]
    assert "ap_proper" not in found["random"]


def test_perfect_and_constant_scorers_get_what_they_deserve():
    perfect, constant = LinkScores(), LinkScores()
    flags, one = torch.zeros(4, dtype=torch.bool), torch.ones(4)
    perfect.add(one, {"random": torch.zeros(4, 2)}, flags)
    constant.add(one, {"random": torch.ones(4, 2)}, flags)
    perfect_all, constant_all = perfect.summary()["all"]["random"], constant.summary()["all"]["random"]
    assert perfect_all == {"ap": 1.0, "auc": 1.0, "ap_batch": 1.0, "auc_batch": 1.0}
    assert constant_all["auc"] == 0.5 and constant_all["ap"] == pytest.approx(1 / 3)


def test_what_was_not_scored_is_none():
    scores = LinkScores()
    assert scores.summary()["all"]["count"] == 0 and scores.summary()["all"]["random"]["ap"] is None
    scores.add(torch.ones(2), {"random": torch.zeros(2, 1)}, torch.zeros(2, dtype=torch.bool))
    summary = scores.summary()
    assert summary["new"]["random"]["ap"] is None and summary["new"]["count"] == 0
    properly = {"ap_proper": None, "auc_proper": None, "count_proper": 0}
    assert (properly | {"fallback": None}).items() <= summary["all"]["historical"].items()
    scores = LinkScores()
    fallback = {"historical": np.ones(2, dtype=bool)}
    scores.add(torch.ones(2), {"historical": torch.zeros(2, 1)}, torch.zeros(2) > 0, None, fallback)
    assert (properly | {"fallback": 1.0}).items() <= scores.summary()["all"]["historical"].items()
    assert summary["all"]["historical"]["auc"] is None and summary["all"]["every"]["mrr"] is None


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_score_that_is_no_number_is_an_error(wrong):
    with pytest.raises(InputError, match="scores of random negatives: 1 of 2 are NaN or infinite"):
        LinkScores().add(torch.ones(2), {"random": torch.tensor([[0.0], [wrong]])}, torch.zeros(2) > 0)
    with pytest.raises(InputError, match="scores of all destinations"):
        rank_of([[0.0, wrong, 0.0, 0.0]], [3])
