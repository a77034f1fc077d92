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

from stgnn.arguments import parser
from stgnn.errors import InputError

if TYPE_CHECKING:
    from stgnn.catalog import Dataset
    from stgnn.store.split import Protocol
    from stgnn.study import Study


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status: 0 done, 2 wrong input, 75 stopped and resumable."""
    words = sys.argv[1:] if arguments is None else arguments
    options = parser().parse_args(words, argparse.Namespace(words=words))
    level = logging.DEBUG if options.verbose else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    logging.getLogger("numexpr").setLevel(logging.WARNING)  # says at every start how many threads it has
    try:
        return HANDLERS[options.command](options) or 0
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


def _predict(options: argparse.Namespace) -> None:
    from stgnn.settings import read_yaml
    from stgnn.study import check_run
    from stgnn.training.ranking import TrainedStream

    path = options.run / "run.yaml"
    if not path.is_file():
        raise InputError(path, "no such file", "give the folder of a run that is finished")
    if options.embeddings and (options.source or options.keep):
        where = "--source" if options.source else "--keep"
        raise InputError(where, "is of a ranking, and --embeddings writes all graph nodes'", "leave it out")
    trained = TrainedStream(options.run, check_run(read_yaml(path), path), options.store, options.time)
    if options.embeddings:
        trained.write_embeddings(options.embeddings)
    else:
        trained.write_ranking(options.ranking, options.source, options.keep or 10)
    print(options.embeddings or options.ranking)


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


HANDLERS: dict[str, Callable[[argparse.Namespace], int | None]] = {
    "retrieve": _retrieve,
    "ingest": _ingest,
    "inspect": _inspect,
    "train": _train,
    "predict": _predict,
    "runs": _runs,
    "collect": _collect,
    "tabulate": _tabulate,
    "plot": _plot,
    "report": _report,
}
