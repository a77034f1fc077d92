"""What the numbers say, in sentences: the best model, what index-batching saves, what workers bring, who agrees.

Each sentence states its own numbers; none is written without the runs to support it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from stgnn.report.metrics import metric_of
from stgnn.report.results import name_workers, say_workers
from stgnn.report.rows import RUN_KEYS, Group, Quantity, group_runs, quantity_of
from stgnn.report.summary import LEVEL, Summary, format_digits, format_summary, p_value
from stgnn.scores import HEADLINE

MATERIALISED = "materialised"  # the classic way that the others are compared with
ACCURACIES = ("mae", "rmse", "mape")
MEMORY = Quantity("max_private_mem", "", None)
TELLING = 0.01  # a smaller change of memory is the allocator's noise
SUPERLATIVE = {"lower": "lowest", "higher": "highest"}
THROUGHPUT = Quantity("windows_per_second", "", None)


class Finding(NamedTuple):
    """What a finding is about (a dataset, a way to batch) and a sentence or two that say it."""

    about: str
    text: str

    @classmethod
    def of(cls, about: str, text: str) -> "Finding":
        """A finding whose numbers stay on one line with their spread and unit."""
        return cls(about, re.sub(r"(?<=\d) (?=[±%]|MB)|(?<=±) ", "\u00a0", text))


def find(frame: pd.DataFrame, baseline: Mapping[str, Any] | None) -> list[Finding]:
    """Return the key findings over the rows of `runs.csv`."""
    return [*_best_models(frame, baseline), *_memory(frame), *_scaling(frame), *_equality(frame)]


def _best_models(frame: pd.DataFrame, baseline: Mapping[str, Any] | None) -> Iterator[Finding]:
    recorded = set(frame["metric"])
    for score in HEADLINE.values():
        if score in recorded:
            yield from _best_by(quantity_of(frame, {"metric": score}, "findings"), frame, baseline)


def _best_by(score: Quantity, frame: pd.DataFrame, baseline: Mapping[str, Any] | None) -> Iterator[Finding]:
    metric = metric_of(score.metric)
    groups = group_runs(frame, RUN_KEYS, [score], "findings")
    several = len({group.names["workers"] for group in groups}) > 1
    # Another number of workers is another global batch, so models are ranked at each one apart.
    for dataset, workers in dict.fromkeys(
        (group.names["dataset"], group.names["workers"]) for group in groups
    ):
        here = [group for group in groups if group.matches({"dataset": dataset, "workers": workers})]
        ranking = _ranking(here, metric.better == "higher")
        if len(ranking) < 2:
            continue
        (name, best), (runner_up, second) = ranking[:2]
        unit = here[0].units[0]
        text = (
            f"{name} has the {SUPERLATIVE[metric.better]} test {metric.label}, {_with_unit(best, unit)}, "
            f"{_percent_from(best, second)} {runner_up} ({format_summary(second)}); "
            f"{_verdict(best, second)}."
        )
        base = str((baseline or {}).get("model"))
        against = dict(ranking).get(base) if base not in (name, runner_up) else None
        about = name_workers(dataset, int(workers), several)
        yield Finding.of(about, text + (f" It is {_percent_from(best, against)} {base}." if against else ""))


def _ranking(groups: Sequence[Group], highest_first: bool) -> list[tuple[str, Summary]]:
    """Each model with its best way of training, best model first."""
    sign, best = -1 if highest_first else 1, dict[str, Summary]()
    for group in groups:
        summary, model = group.summaries[0], group.names["model"]
        if summary and (model not in best or sign * summary.mean < sign * best[model].mean):
            best[model] = summary
    return sorted(best.items(), key=lambda item: sign * item[1].mean)


def _verdict(best: Summary, second: Summary) -> str:
    p = p_value(best, second)
    if p is None:
        return "with one seed the noise is unknown, so this may be chance"
    if not best.noise and not second.noise:
        return "neither varies with the seed"
    test = f"Welch's t-test over the seeds: p {f'= {p:.2g}' if p >= 0.001 else '< 0.001'}"
    if p >= LEVEL:
        return f"this may be chance ({test})"
    return f"the difference is significant at the 5 % level ({test})"


def _memory(frame: pd.DataFrame) -> Iterator[Finding]:
    if MEMORY.metric not in set(frame["metric"]):
        return
    groups = group_runs(frame, RUN_KEYS, [MEMORY], "findings")
    for dataset in dict.fromkeys(group.names["dataset"] for group in groups):
        here = [group for group in groups if group.names["dataset"] == dataset and group.summaries[0]]
        for batching in dict.fromkeys(group.names["batching"] for group in here):
            pairs = list(_pairs(here, batching))
            telling = any(abs(1 - ours / theirs) >= TELLING for _, ours, theirs in pairs)
            if telling and batching != MATERIALISED:
                yield Finding.of(dataset, _memory_sentence(batching, pairs))


def _pairs(groups: Sequence[Group], batching: str) -> Iterator[tuple[str, float, float]]:
    """Model, memory of `batching`, memory of the materialised windows (MB), where a model has both."""
    classic = {_setting(group): group for group in groups if group.names["batching"] == MATERIALISED}
    for group in groups:
        other = classic.get(_setting(group))
        if group.names["batching"] == batching and other:
            ours, theirs = group.summaries[0], other.summaries[0]
            if ours and theirs and theirs.mean > 0:
                yield group.names["model"], ours.mean, theirs.mean


def _setting(group: Group) -> tuple[str, ...]:
    return tuple(group.names[key] for key in ("dataset", "model", "regime", "workers"))


def _memory_sentence(batching: str, pairs: Sequence[tuple[str, float, float]]) -> str:
    model, ours, theirs = max(pairs, key=lambda pair: pair[2])
    text = (
        f"{batching} batching peaks at {ours:,.0f} MB of private memory where materialised windows "
        f"need {theirs:,.0f} MB ({model}), {_change(ours / theirs)}"
    )
    least, most = (_change(pick(ours / theirs for _, ours, theirs in pairs)) for pick in (max, min))
    return text + (f"; over {len(pairs)} models, from {least} to {most}." if least != most else ".")


def _scaling(frame: pd.DataFrame) -> Iterator[Finding]:
    """What the most workers bring over the fewest, for each way to train that has several numbers of them."""
    if THROUGHPUT.metric not in set(frame["metric"]):
        return
    rows: dict[tuple[str, str, str], dict[int, Summary]] = {}
    for group in group_runs(frame, RUN_KEYS, [THROUGHPUT], "findings"):
        if group.summaries[0]:
            key = group.names["dataset"], group.names["model"], group.names["batching"]
            rows.setdefault(key, {})[int(group.names["workers"])] = group.summaries[0]
    for (dataset, model, batching), speeds in rows.items():
        if len(speeds) > 1:
            yield Finding.of(dataset, _scaling_sentence(model, batching, speeds))


def _scaling_sentence(model: str, batching: str, speeds: Mapping[int, Summary]) -> str:
    few, many = min(speeds), max(speeds)
    gain = speeds[many].mean / speeds[few].mean
    return (
        f"{model} by {batching} trains on {speeds[many].mean:,.0f} windows/s with {say_workers(many)} and on "
        f"{speeds[few].mean:,.0f} with {few}: {format_digits(gain, 3)} times as many with {many / few:g} times the "
        f"workers, an efficiency of {format_digits(100 * gain * few / many, 2)} %."
    )


def _equality(frame: pd.DataFrame) -> Iterator[Finding]:
    scored = frame[frame["metric"].isin(ACCURACIES) & (frame["split"] != "")]
    same = [
        "dataset",
        "model",
        "regime",
        "workers",
        "seed",
        "split",
        "horizon",
        "nodes",
        "negatives",
        "metric",
    ]
    classic = scored[scored["batching"] == MATERIALISED]
    for batching in dict.fromkeys(scored["batching"]):
        pairs = scored[scored["batching"] == batching].merge(classic, on=same, suffixes=("", "_classic"))
        if batching != MATERIALISED and len(pairs):
            yield Finding.of(f"{batching} and {MATERIALISED}", _equality_sentence(pairs))


def _equality_sentence(pairs: pd.DataFrame) -> str:
    both_missing = pairs["value"].isna() & pairs["value_classic"].isna()
    pairs = pairs.assign(equal=(pairs["value"] == pairs["value_classic"]) | both_missing)
    runs = pairs.groupby(["dataset", "model", "regime", "workers", "seed"], sort=False)["equal"].all()
    if runs.all():
        return (
            f"MAE, RMSE and MAPE are equal to the last bit in all {len(runs)} pairs of runs of equal seed, "
            "on every split and at every forecast step."
        )
    errors = pairs[(pairs["metric"] == "mae") & ~pairs["equal"]]
    text = f"they differ in {int((~runs).sum())} of {len(runs)} pairs of runs of equal seed"
    if errors.empty:
        return f"{text}, though never in MAE."
    gaps = (errors["value"] - errors["value_classic"]).abs()
    if gaps.isna().all():
        return f"{text}: one of each has no MAE."
    worst = errors.iloc[int(gaps.to_numpy().argmax())]
    where = f"{worst['dataset']}, {worst['model']}, seed {worst['seed']}"
    return (
        f"{text}; the largest difference of an MAE is {gaps.max():.2g} {worst['unit']}".rstrip()
        + f" ({where})."
    )


def _with_unit(summary: Summary, unit: str) -> str:
    return f"{format_summary(summary)} {unit}".rstrip()


def _percent_from(summary: Summary, other: Summary) -> str:
    if not other.mean:
        return "not at all below"
    below = 100 * (1 - summary.mean / other.mean)
    return f"{format_digits(abs(below), 2)} % {'below' if below >= 0 else 'above'}"


def _change(ratio: float) -> str:
    percent = format_digits(round(100 * abs(1 - ratio), 1), 2)
    return f"{percent} % {'less' if ratio <= 1 else 'more'}"
