"""Turns the tidy `runs.csv` into the rows of a table: runs that differ in nothing but the seed.

Which value is best, and how it is printed, is decided elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import pandas as pd

from stgnn.errors import InputError
from stgnn.report.metrics import metric_of
from stgnn.report.summary import Summary, summarise
from stgnn.scores import in_full

RUN_KEYS = ("dataset", "model", "regime", "batching", "workers")
USUAL_ROWS = ("dataset", "model", "batching")


@dataclass(frozen=True)
class Quantity:
    """What a column measures: a metric, of a split and forecast step, or of nodes and negatives, where it has them."""

    metric: str
    split: str  # "" for what belongs to the whole run
    horizon: int | None  # None: pooled over the horizon, or without one
    nodes: str = ""  # of links: all events, or those of new nodes
    negatives: str = ""  # what links are told from

    @property
    def slug(self) -> str:
        """A name without spaces, for CSV headers."""
        step = f"h{self.horizon}" if self.horizon is not None else ""
        return "_".join(part for part in (self.metric, self.split, self.nodes, self.negatives, step) if part)


@dataclass(frozen=True)
class Group:
    """One row's runs: the value of each run key, and a summary and unit per quantity."""

    names: Mapping[str, str]
    seeds: tuple[int, ...]
    summaries: tuple[Summary | None, ...]
    units: tuple[str, ...]

    def matches(self, wanted: Mapping[str, Any]) -> bool:
        """Does this row have each wanted name (or one of them, where a list is wanted)?"""
        return all(self.names.get(key) in _as_names(value) for key, value in wanted.items())


def quantity_of(frame: pd.DataFrame, column: Mapping[str, Any], where: str) -> Quantity:
    """Return what a column spec asks for; accuracy without a split means the test split.

    Raises InputError when no run recorded the metric.
    """
    metric = column["metric"]
    recorded = frame[frame["metric"] == metric]
    if recorded.empty:
        known = sorted(set(frame["metric"]))
        near = get_close_matches(metric, known, n=1)
        todo = f"did you mean '{near[0]}'?" if near else f"recorded are {', '.join(known)}"
        raise InputError(where, f"no run recorded the metric '{metric}'", todo)
    default = "test" if (recorded["split"] != "").any() else ""
    asked = in_full(column)
    where_of = asked.get("nodes", ""), asked.get("negatives", "")
    return Quantity(metric, column.get("split") or default, column.get("horizon"), *where_of)


def group_runs(
    frame: pd.DataFrame, keys: Sequence[str], quantities: Sequence[Quantity], where: str
) -> list[Group]:
    """Return one group for each combination of `keys`, datasets together, else in the frame's order.

    Keys that are not in the order of `RUN_KEYS` order the groups themselves: each batching of 2 workers, then of 4.
    Raises InputError when a group would average over anything but seeds, or has a seed twice.
    """
    unknown = [key for key in keys if key not in (*RUN_KEYS, "seed")]
    if unknown:
        raise InputError(where, f"rows by '{unknown[0]}'", f"rows can be {', '.join(RUN_KEYS)}, seed")
    return [
        _make_group(runs, keys, quantities, where)
        for _, runs in _ranked(frame, keys).groupby(list(keys), sort=False, dropna=False)
    ]


def _ranked(frame: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    named = [key for key in keys if key in RUN_KEYS]
    by = ["dataset"] if named == sorted(named, key=RUN_KEYS.index) else named
    ranks = {f"_{key}": frame[key] if key == "workers" else pd.factorize(frame[key])[0] for key in by}
    return frame.assign(**ranks).sort_values(list(ranks), kind="stable")


def _make_group(runs: pd.DataFrame, keys: Sequence[str], quantities: Sequence[Quantity], where: str) -> Group:
    identities = runs[[*RUN_KEYS, "seed", "run"]].drop_duplicates()
    first = identities.iloc[0]
    row = ", ".join(str(first[key]) for key in ("dataset", "model"))
    for key in RUN_KEYS:
        found = identities[key].astype(str).unique()
        if len(found) > 1:
            problem = f"the row of {row} would average over {key} {' and '.join(found)}"
            raise InputError(where, problem, f"add '{key}' to its rows")
    twice = identities[identities["seed"].duplicated(keep=False)]
    if len(twice):
        pair = " and ".join(twice["run"].iloc[:2])
        raise InputError(where, f"{row} has seed {twice['seed'].iloc[0]} twice, {pair}", "collect again")
    names = {key: str(first[key]) for key in dict.fromkeys([*RUN_KEYS, *keys])}
    found_values = [_values(runs, quantity) for quantity in quantities]
    certain = _without_parameters(runs)
    return Group(
        names=names,
        seeds=tuple(int(seed) for seed in identities["seed"]),
        summaries=tuple(
            summarise(values["value"], certain=certain and not metric_of(quantity.metric).cost)
            for quantity, values in zip(quantities, found_values, strict=True)
        ),
        units=tuple(next(iter(values["unit"]), "") for values in found_values),
    )


def _without_parameters(runs: pd.DataFrame) -> bool:
    """Is there nothing in these models for a seed to decide?"""
    parameters = runs["value"][runs["metric"] == "parameters"]
    return len(parameters) > 0 and bool((parameters == 0).all())


def _values(runs: pd.DataFrame, quantity: Quantity) -> pd.DataFrame:
    horizon = runs["horizon"].isna() if quantity.horizon is None else runs["horizon"].eq(quantity.horizon)
    chosen = runs["metric"] == quantity.metric
    for key in ("split", "nodes", "negatives"):
        chosen &= runs[key] == getattr(quantity, key)
    return runs[chosen & horizon.fillna(False).astype(bool)]


def _as_names(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, (list, tuple)) else [str(value)]
