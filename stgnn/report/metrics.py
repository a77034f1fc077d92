"""What each recorded metric is called, counted in, and which way is better. No values live here.

Accuracies compare models on one dataset; costs (time, memory) compare ways to train one model,
since the cheapest of all models is always the one that learns nothing.
"""

from dataclasses import dataclass
from typing import Literal

Direction = Literal["lower", "higher", ""]  # "" where neither is better

SQUARED_UNITS = "data squared"
DATA_UNITS = "data"  # stands for the units of the dataset's own values (mph, cases, ...)
ARROW: dict[Direction, str] = {"lower": "↓", "higher": "↑", "": ""}


@dataclass(frozen=True)
class Metric:
    """One measured quantity: its printed name, unit, better direction, and whether it is a cost."""

    label: str
    unit: str = ""
    better: Direction = ""
    cost: bool = False

    @property
    def most_decimals(self) -> int:
        """How many decimals are worth printing: no clock or memory sample of a run is good to a third."""
        return 2 if self.cost else 9


METRICS: dict[str, Metric] = {
    "mae": Metric("MAE", DATA_UNITS, "lower"),
    "mse": Metric("MSE", SQUARED_UNITS, "lower"),
    "rmse": Metric("RMSE", DATA_UNITS, "lower"),
    "mape": Metric("MAPE", "%", "lower"),
    "ap": Metric("AP", "", "higher"),
    "auc": Metric("AUC", "", "higher"),
    "ap_batch": Metric("AP, mean of batches", "", "higher"),
    "auc_batch": Metric("AUC, mean of batches", "", "higher"),
    "ap_proper": Metric("AP where there is one", "", "higher"),
    "auc_proper": Metric("AUC where there is one", "", "higher"),
    "count_proper": Metric("Events that have one"),
    "mrr": Metric("MRR", "", "higher"),
    "hits_1": Metric("Hits@1", "", "higher"),
    "hits_3": Metric("Hits@3", "", "higher"),
    "hits_10": Metric("Hits@10", "", "higher"),
    "label_ap": Metric("AP of labels", "", "higher"),
    "label_auc": Metric("AUC of labels", "", "higher"),
    "fallback": Metric("Random for want of others"),
    "t_loss": Metric("Training loss", "", "lower"),
    "v_ap": Metric("Validation AP", "", "higher"),
    "v_auc": Metric("Validation AUC", "", "higher"),
    "t_mae": Metric("Training MAE", DATA_UNITS, "lower"),
    "v_mae": Metric("Validation MAE", DATA_UNITS, "lower"),
    "count": Metric("Values scored"),
    "parameters": Metric("Parameters"),
    "epochs": Metric("Epochs"),
    "best_epoch": Metric("Best epoch"),
    "preprocessing": Metric("Preprocessing", "s", "lower", cost=True),
    "training": Metric("Training", "s", "lower", cost=True),
    "epoch_seconds": Metric("Time of an epoch", "s", "lower", cost=True),
    "total": Metric("Runtime", "s", "lower", cost=True),
    "events_per_second": Metric("Throughput", "events/s", "higher", cost=True),
    "windows_per_second": Metric("Throughput", "windows/s", "higher", cost=True),
    "max_system_mem": Metric("Peak memory", "MB", "lower", cost=True),
    "max_private_mem": Metric("Peak private memory", "MB", "lower", cost=True),
    "max_shared_mem": Metric("Peak shared memory", "MB", "lower", cost=True),
    "max_gpu_mem": Metric("Peak GPU memory", "MB", "lower", cost=True),
    "max_node_mem": Metric("Peak memory of a compute node", "MB", "lower", cost=True),
    "data_mb_per_epoch": Metric("Data moved between workers", "MB/epoch", "lower", cost=True),
    "sync_mb_per_epoch": Metric("Gradients exchanged", "MB/epoch", "lower", cost=True),
    "compute_nodes": Metric("Compute nodes"),
    "signal_mb": Metric("Signal", "MB"),
    "windows_mb": Metric("Its windows, materialised", "MB"),
    "graph_nodes": Metric("Graph nodes"),
    "edges_per_node": Metric("Edges of a graph node"),
    "node_inputs": Metric("Input values of a graph node"),
    "system_memory_total": Metric("Machine memory", "MB"),
    "gpu_memory_total": Metric("GPU memory", "MB"),
}


def metric_of(name: str) -> Metric:
    """Return what is known of `name`; a column nobody described is shown as it is, without direction."""
    return METRICS.get(name, Metric(name))


def unit_of(name: str, data_units: str) -> str:
    """Return the unit of metric `name` on a dataset whose values are in `data_units`."""
    unit = metric_of(name).unit
    if unit == SQUARED_UNITS:
        return data_units and f"{data_units}²"
    return data_units if unit == DATA_UNITS else unit
