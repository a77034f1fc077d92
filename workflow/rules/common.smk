# What the rules share: the study, the paths, and what `params:` are made of. No rules here.

import os
import re
import shlex
import sys
from pathlib import Path

import stgnn
from stgnn.errors import InputError
from stgnn.fingerprint import fingerprint, ingest_fingerprint, run_fingerprint
from stgnn.files import sha256_of
from stgnn.settings import canonical_json
from stgnn.study import configure, load_study, pipeline_path
from stgnn.tasks import predicted
from stgnn.workdir import claim, look


def declare_study():
    """Complete `config`; return the study and each task's and model's code. A mistake in any file ends Snakemake with one line."""
    try:
        config.update(configure(config, said=workflow.config_settings.config))
        study = load_study(config["pipeline"])
        for path in missing_raw_files(study):
            raise InputError(
                path, "no such file, and nobody serves it", "put it there or give --config mirror=FOLDER"
            )
        alike = {code_key(run): run for run in study.all_runs}
        code = {key: run_fingerprint(run.settings) for key, run in alike.items()}
    except InputError as error:
        raise SystemExit(f"Error: {error}") from None
    return study, code


def code_key(run):
    """Runs that are alike in this are trained by the same code."""
    return predicted(run.settings), run.settings["model"]["class"]


def raw_files(study):
    """Yield (dataset, raw file, path) for every raw file of the study."""
    for dataset in study.datasets.values():
        for file in dataset.files:
            yield dataset, file, Path(config["raw"]) / dataset.name / file.name


def is_retrievable(dataset, file, path):
    """Can the file be made again? One that a person put there must never be an output: outputs get deleted."""
    served = file.own.exists() and file.own != path.resolve() if file.own else file.url
    return bool(served or dataset.synthetic or (config["mirror"] and not path.exists()))


def missing_raw_files(study):
    return [
        file.own or path
        for dataset, file, path in raw_files(study)
        if not is_retrievable(dataset, file, path) and not path.exists()
    ]


def take_place():
    """Wait for whoever writes this study's files in this folder; return this process's claim, if it will write any."""
    datasets = [f"{config[folder]}/{dataset}" for dataset in STUDY.datasets for folder in ("raw", "stores")]
    places = [RESULTS, *datasets, *(f"{config['results']}/{run.path}" for run in STUDY.all_runs)]
    if not workflow.is_main_process:  # but a job of one
        return None
    cores = workflow.resource_settings.cores or workflow.resource_settings.nodes
    if cores and not workflow.output_settings.dryrun:
        return claim(places, announce)
    if file := look(places):
        announce(f"Another snakemake in this folder writes {file}: look again when it has ended.")
    return None


def announce(line):
    print(line, file=sys.stderr, flush=True)


STUDY, CODE = declare_study()
RUNS = {run.id: run for run in STUDY.all_runs}
RETRIEVABLE = [
    f"{dataset.name}/{file.name}"
    for dataset, file, path in raw_files(STUDY)
    if is_retrievable(dataset, file, path)
]
RESULTS = f"{config['results']}/{STUDY.name}"
# It must live as long as this process: it tells the next Snakemake that this one is alive.
CLAIM = take_place()
TABLES = expand(
    "{folder}/tables/{table}.{kind}",
    folder=RESULTS,
    table=[table["name"] for table in STUDY.tables],
    kind=["csv", "md", "tex", "html", "txt"],
)
FIGURES = expand(
    "{folder}/figures/{figure}.{kind}",
    folder=RESULTS,
    figure=[figure["name"] for figure in STUDY.figures],
    kind=["svg", "png"],
)

# The result files of a run that figures are drawn from.
PLOTTED = ["metrics.json", "stats.csv", "per_epoch_stats.csv", "system_stats.csv"]

# Jobs run in this interpreter's environment, whether or not it is activated. Not in `params:`: a moved environment
# or another mirror changes no result.
os.environ.update(
    PATH=str(Path(sys.executable).parent) + os.pathsep + os.environ.get("PATH", ""),
    STGNN_MIRROR=config["mirror"] or "",
    # Threads of two processes that spin while they wait for each other's core are some 20 times slower.
    OMP_WAIT_POLICY="PASSIVE",
)

# Every rule's command runs as `logged LOG COMMAND...`.
LOGGED = (
    shlex.quote(str(Path(workflow.basedir) / "scripts" / "logged.sh")).replace("{", "{{").replace("}", "}}")
)
shell.prefix(f"set -euo pipefail; source {LOGGED}; ")


pathvars:
    raw=config["raw"],
    stores=config["stores"],
    results=config["results"],
    study=STUDY.name,
    logs="logs",
    benchmarks="logs/benchmarks",


wildcard_constraints:
    raw_file="|".join(map(re.escape, RETRIEVABLE)) or "(?!)",
    dataset="[a-z0-9-]+",
    model="[a-z0-9-]+",
    run=r"[a-z0-9-]+-w\d+-s\d+-[0-9a-f]{8}",


def own_file(wildcards):
    """The user's own file that the raw file is a copy of: when it changes, so must the copy."""
    own = STUDY.datasets[dataset_of(wildcards)].file(file_of(wildcards)).own
    return [str(own)] if own and own.exists() else []


def raw_file_identity(wildcards):
    """What makes a raw file another one. Not its address, nor the code that downloads it: its checksum does."""
    dataset = STUDY.datasets[dataset_of(wildcards)]
    if dataset.synthetic:
        return canonical_json(dataset.synthetic) + fingerprint("stgnn.synthetic")
    # A file moved over the user's own may be the older one: its time must be another, not a later one.
    own = ["{0.st_size} {0.st_mtime_ns}".format(os.stat(path)) for path in own_file(wildcards)]
    return dataset.file(file_of(wildcards)).sha256 or " ".join(own)


def dataset_of(wildcards):
    return wildcards.raw_file.partition("/")[0]


def file_of(wildcards):
    return wildcards.raw_file.partition("/")[2]


def raw_files_of(wildcards):
    return [f"<raw>/{wildcards.dataset}/{file.name}" for file in STUDY.datasets[wildcards.dataset].files]


def store_identity(wildcards):
    """What of the catalogue entry decides the store's content; a citation, say, does not."""
    dataset = STUDY.datasets[wildcards.dataset]
    parts = ("reader", "options", "frequency", "start", "units", "null_value")
    files = [(file.name, file.role) for file in dataset.files]
    return canonical_json({"files": files} | {part: getattr(dataset, part) for part in parts})


def run_of(wildcards):
    return RUNS["{dataset}/{model}/{run}".format(**wildcards)]


def encoder_of(wildcards):
    """The last file of the run whose trained model this run builds on, if it does."""
    encoder = run_of(wildcards).encoder
    return [f"<results>/{encoder.path}/metrics.json"] if encoder else []


def tables_declared(_):
    """A function, as are the next two: Snakemake takes `{word}` in a plain text for a wildcard."""
    return canonical_json(
        {"tables": STUDY.tables, "references": STUDY.references, "baseline": STUDY.baseline}
    )


def figures_declared(_):
    return canonical_json(STUDY.figures)


def page_declared(_):
    """What the page says of the study and its datasets, runs and tables apart."""
    described = [
        (data.name, data.title, data.licence, data.citation, data.note) for data in STUDY.datasets.values()
    ]
    return canonical_json({"title": STUDY.title, "description": STUDY.description, "datasets": described})


def template_digests():
    """The HTML templates: code of the report that is not Python."""
    return "".join(sha256_of(path)[:16] for path in sorted(Path(stgnn.__file__).parent.glob("report/*.j2")))


def show_results():
    """Print the study's tables and where everything lies, so far as it was made."""
    tables = [Path(path) for path in TABLES if path.endswith(".txt")]
    figures = [Path(path) for path in FIGURES if path.endswith(".svg")]
    for path in filter(Path.exists, tables):
        print(path.read_text(encoding="utf-8"))
    for path in filter(Path.exists, [*tables, *figures, Path(RESULTS) / "report.html"]):
        others = sorted(each.suffix[1:] for each in path.parent.glob(f"{path.stem}.*") if each != path)
        print(f"{path} (and {', '.join(others)})" if others else path)
