"""The `stgnn` command: one sub-command for each stage of a study, each thin over one library function.

Imports live in the functions: `stgnn retrieve` on a login node must not wait for torch.
"""

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stgnn import __version__
from stgnn.errors import InputError

if TYPE_CHECKING:
    from stgnn.catalog import Dataset
    from stgnn.store.split import Protocol
    from stgnn.study import Study


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status: 0 done, 2 wrong input, 75 stopped and resumable."""
    words = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(words, argparse.Namespace(words=words))
    level = logging.DEBUG if options.verbose else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    logging.getLogger("numexpr").setLevel(logging.WARNING)  # says at every start how many threads it has
    try:
        return options.run(options) or 0
    except InputError as error:
        print(f"stgnn {options.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"stgnn {options.command}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `stgnn inspect ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # no such folder, no space, no rights
        place = error.filename or "system"
        print(f"stgnn {options.command}: {place}: {error.strerror or error}", file=sys.stderr)
        return 2


def _retrieve(options: argparse.Namespace) -> None:
    from stgnn.retrieve import retrieve

    dataset = _dataset(options)
    names = options.file or [file.name for file in dataset.files]
    for name in names:
        print(retrieve(dataset, name, options.raw / dataset.name, mirror=options.mirror))


def _ingest(options: argparse.Namespace) -> None:
    from stgnn.raw import read
    from stgnn.raw.events import Events
    from stgnn.store.write import write_store
    from stgnn.store.write_events import write_events

    dataset = _dataset(options)
    store = options.store or Path("data/stores") / f"{dataset.name}.zarr"
    found = read(dataset, options.raw / dataset.name)
    if isinstance(found, Events):
        write_events(found, store, _protocol(dataset))
    else:
        write_store(found, store)
    print(store)


def _protocol(dataset: "Dataset") -> "Protocol":
    """How the dataset's events are split, and what is drawn beside them: as its options say, or as usual."""
    from stgnn.store.split import Protocol

    said = {
        field.name: dataset.options[field.name] for field in fields(Protocol) if field.name in dataset.options
    }
    return Protocol(**said | ({"split": tuple(said["split"])} if "split" in said else {}))


def _dataset(options: argparse.Namespace) -> "Dataset":
    """The dataset asked for, from the catalogue files given or else those of config/config.yaml."""
    from stgnn.catalog import find_dataset, load_catalog
    from stgnn.study import load_config

    return find_dataset(load_catalog(options.catalog or load_config()["catalogues"]), options.dataset)


def _inspect(options: argparse.Namespace) -> None:
    from stgnn.store.inspect import describe_store

    print(describe_store(options.store, check=options.check))


def _train(options: argparse.Namespace) -> int:
    from stgnn.distributed.launch import Surroundings, job_step, launch
    from stgnn.distributed.supervise import TrainingFailed
    from stgnn.fingerprint import run_fingerprint
    from stgnn.training.stop import STOPPED, Stopped

    settings = _run_settings(options)
    if step := job_step(settings):
        os.execv(step[0], [*step, sys.executable, "-m", "stgnn", *options.words])
    around = Surroundings(options.runtime, options.interface, options.scratch, options.threads)
    try:
        launch(settings, options.store, options.out, run_fingerprint(settings), around)
    except Stopped as stopped:
        print(f"stgnn train: {stopped}", file=sys.stderr)
        return STOPPED
    except TrainingFailed as failed:
        print(f"stgnn train: {failed}", file=sys.stderr)
        return 1
    return 0


def _run_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The resolved run, from --settings (JSON) or --run (YAML)."""
    from stgnn.study import check_run

    if options.settings is not None:
        try:
            return check_run(json.loads(options.settings), "--settings")
        except json.JSONDecodeError as error:
            raise InputError("--settings", f"not JSON ({error})", "use --run FILE for YAML") from None
    from stgnn.settings import read_yaml

    return check_run(read_yaml(options.run_file), options.run_file)


def _runs(options: argparse.Namespace) -> None:
    for run in _study(options).runs:
        print(run.id)


def _study(options: argparse.Namespace) -> "Study":
    from stgnn.study import load_study

    return load_study(options.pipeline)


def _run_folders(study: "Study", results: Path) -> list[Path]:
    return [results / run.path for run in study.runs]


def _frequencies(study: "Study") -> dict[str, str | None]:
    return {name: dataset.frequency for name, dataset in study.datasets.items()}


def _collect(options: argparse.Namespace) -> None:
    from stgnn.report.collect import collect

    collect(_run_folders(_study(options), options.results), options.out)
    print(options.out)


def _tabulate(options: argparse.Namespace) -> None:
    from stgnn.report.formats import write_tables
    from stgnn.report.text import to_text

    study = _study(options)
    tables = write_tables(
        options.runs, study.tables, options.out, study.references, study.baseline, _frequencies(study)
    )
    print("\n\n".join(to_text(table) for table in tables))


def _plot(options: argparse.Namespace) -> None:
    from stgnn.report.figures import write_figures

    study = _study(options)
    folders = _run_folders(study, options.results)
    for path in write_figures(folders, study.figures, options.out, _frequencies(study)):
        print(path)


def _report(options: argparse.Namespace) -> None:
    from stgnn.report.page import write_page

    study = _study(options)
    made = options.results / study.name
    write_page(
        study,
        runs=made / "runs.csv",
        run_folders=_run_folders(study, options.results),
        figures=made / "figures",
        stores=options.stores,
        out=options.out,
        command=f"snakemake --cores all --config pipeline={study.name}",
    )
    print(options.out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="stgnn",
        description="Train spatiotemporal graph networks from declared studies and compare them reproducibly.",
        epilog="A whole study runs by `snakemake --cores all --config pipeline=NAME`; each stage by hand as below.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--verbose", action="store_true", help="log what is usually not worth a line")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_data_commands(commands)
    _add_run_commands(commands)
    _add_report_commands(commands)
    return parser


def _add_data_commands(commands: Any) -> None:
    retrieve = _command(commands, "retrieve", _retrieve, "download or copy the raw files of a dataset")
    _add_dataset(retrieve)
    retrieve.add_argument("--file", action="append", help="only this raw file (repeatable)")
    retrieve.add_argument("--mirror", help="a folder or base URL to look in before the public address")

    ingest = _command(commands, "ingest", _ingest, "turn a dataset's raw files into a Zarr store")
    _add_dataset(ingest)
    ingest.add_argument("--store", type=Path, help="the store to write (data/stores/DATASET.zarr)")

    inspect = _command(commands, "inspect", _inspect, "say what is in a store")
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
    train = _command(commands, "train", _train, "train one run and evaluate it; resumes from its checkpoint")
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

    _add_pipeline(_command(commands, "runs", _runs, "list the runs that a pipeline declares"))


def _add_report_commands(commands: Any) -> None:
    collect = _command(commands, "collect", _collect, "gather the runs of a pipeline into one tidy runs.csv")
    _add_pipeline(collect)
    _add_results(collect)
    collect.add_argument("--out", type=Path, required=True, help="the runs.csv to write")

    tabulate = _command(
        commands, "tabulate", _tabulate, "make a pipeline's tables: CSV, Markdown, LaTeX, HTML"
    )
    _add_pipeline(tabulate)
    tabulate.add_argument("--runs", type=Path, required=True, help="the runs.csv of the pipeline")
    tabulate.add_argument("--out", type=Path, required=True, help="the folder for the tables")

    plot = _command(commands, "plot", _plot, "draw a pipeline's figures: SVG and PNG")
    _add_pipeline(plot)
    _add_results(plot)
    plot.add_argument("--out", type=Path, required=True, help="the folder for the figures")

    report = _command(commands, "report", _report, "write a pipeline's page: tables, figures, provenance")
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


def _command(commands: Any, name: str, run: Any, summary: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=summary.capitalize() + "."
    )
    parser.set_defaults(run=run)
    return parser
