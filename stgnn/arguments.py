"""What the `stgnn` command takes: its sub-commands, their arguments and what `--help` says of them."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stgnn import __version__


def parser() -> argparse.ArgumentParser:
    """The whole command line; `command` names the sub-command."""
    whole = argparse.ArgumentParser(
        prog="stgnn",
        description="Train spatiotemporal graph networks from declared studies and compare them reproducibly.",
        epilog="A whole study runs by `snakemake --cores all --config pipeline=NAME`; each stage by hand as below.",
    )
    whole.add_argument("--version", action="version", version=__version__)
    whole.add_argument("--verbose", action="store_true", help="log what is usually not worth a line")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_data_commands(commands)
    _add_run_commands(commands)
    _add_report_commands(commands)
    return whole


def _add_data_commands(commands: Any) -> None:
    retrieve = _command(commands, "retrieve", "download or copy the raw files of a dataset")
    _add_dataset(retrieve)
    retrieve.add_argument("--file", action="append", help="only this raw file (repeatable)")
    retrieve.add_argument("--mirror", help="a folder or base URL to look in before the public address")

    ingest = _command(commands, "ingest", "turn a dataset's raw files into a Zarr store")
    _add_dataset(ingest)
    ingest.add_argument("--store", type=Path, help="the store to write (data/stores/DATASET.zarr)")

    inspect = _command(commands, "inspect", "say what is in a store")
    inspect.add_argument("store", type=Path)
    inspect.add_argument("--check", action="store_true", help="re-hash every file against the manifest")


def _add_dataset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", help="a name in config/datasets.yaml")
    parser.add_argument(
        "--raw", type=Path, default=Path("data/raw"), help="where raw files lie (%(default)s)"
    )
    parser.add_argument(
        "--catalog", type=Path, nargs="+", help="catalogue files (those of config/config.yaml)"
    )


def _add_run_commands(commands: Any) -> None:
    train = _command(commands, "train", "train one run and evaluate it; resumes from its checkpoint")
    train.epilog = (
        "A run of several workers is started once, on the first compute node of its Slurm or PBS job, or "
        "anywhere: it starts its workers on all compute nodes of the job itself. Exit status: 0 done, "
        "2 wrong input, 75 asked to stop and resumable by the same command, 1 failed."
    )
    declared = train.add_mutually_exclusive_group(required=True)
    declared.add_argument("--run", dest="run_file", type=Path, help="a run.yaml: a resolved run")
    declared.add_argument("--settings", help="the same as JSON text")
    train.add_argument("--store", type=Path, required=True, help="the dataset's store")
    train.add_argument("--out", type=Path, required=True, help="the folder for the result files")
    train.add_argument(
        "--runtime",
        type=_positive(float),
        metavar="MINUTES",
        help="the batch job's time limit: some time before it (a minute, 5 %% of a long one, 5 minutes at most) "
        "the run saves its place and exits with 75 (no limit)",
    )
    train.add_argument(
        "--interface",
        metavar="NIC",
        help="the network interface between compute nodes, such as hsn0 (loopback on one machine, else the "
        "one on the way to the other nodes)",
    )
    train.add_argument(
        "--scratch",
        metavar="DIR",
        help="where workers put temporary files (their TMPDIR becomes a folder in it, gone at the end): a folder "
        "on each compute node's own disk; may hold $VARIABLES of the compute node, in single quotes ($TMPDIR or /tmp)",
    )
    train.add_argument(
        "--threads",
        type=_positive(int),
        metavar="N",
        help="CPU threads of each worker, where OMP_NUM_THREADS is not set (its share of the compute node)",
    )

    predict = _command(commands, "predict", "ask a trained link predictor about the time after its stream")
    predict.epilog = (
        "The model reads every event of the store first, those of validation and test too. Ids are those of the raw "
        "files; scores are logits, which order the destinations of one source."
    )
    predict.add_argument("run", type=Path, help="the folder of the finished run")
    predict.add_argument("--store", type=Path, required=True, help="the dataset's store")
    asked = predict.add_mutually_exclusive_group(required=True)
    asked.add_argument(
        "--ranking", type=Path, metavar="FILE", help="write each source's likeliest destinations as CSV"
    )
    asked.add_argument(
        "--embeddings", type=Path, metavar="FOLDER", help="write all graph nodes' embeddings as Zarr"
    )
    predict.add_argument(
        "--source", action="append", default=[], metavar="ID", help="rank for this source only (repeatable)"
    )
    predict.add_argument(
        "--keep", type=_positive(int), metavar="K", help="destinations ranked for a source (10)"
    )
    predict.add_argument(
        "--time", type=int, metavar="T", help="when, in the stream's unit (just after its last event)"
    )

    _add_pipeline(_command(commands, "runs", "list the runs that a pipeline declares"))


def _add_report_commands(commands: Any) -> None:
    collect = _command(commands, "collect", "gather the runs of a pipeline into one tidy runs.csv")
    _add_pipeline(collect)
    _add_results(collect)
    collect.add_argument("--out", type=Path, required=True, help="the runs.csv to write")

    tabulate = _command(commands, "tabulate", "make a pipeline's tables: CSV, Markdown, LaTeX, HTML")
    _add_pipeline(tabulate)
    tabulate.add_argument("--runs", type=Path, required=True, help="the runs.csv of the pipeline")
    tabulate.add_argument("--out", type=Path, required=True, help="the folder for the tables")

    plot = _command(commands, "plot", "draw a pipeline's figures: SVG and PNG")
    _add_pipeline(plot)
    _add_results(plot)
    plot.add_argument("--out", type=Path, required=True, help="the folder for the figures")

    report = _command(commands, "report", "write a pipeline's page: tables, figures, provenance")
    _add_pipeline(report)
    _add_results(report)
    report.add_argument(
        "--stores", type=Path, default=Path("data/stores"), help="where stores lie (%(default)s)"
    )
    report.add_argument("--out", type=Path, required=True, help="the report.html to write")


def _add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--results", type=Path, default=Path("results"), help="where results lie (%(default)s)"
    )


def _add_pipeline(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pipeline", type=Path, help="a study: pipelines/NAME.yaml")


def _positive(kind: type[int] | type[float]) -> Callable[[str], float]:
    """The argparse type of a number above 0."""

    def number(text: str) -> float:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"expected a number above 0, found {text}")
        return value

    return number


def _command(commands: Any, name: str, summary: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=summary.capitalize() + "."
    )
    return parser
