# Where jobs run: the site that a profile names, the resources that a job asks of it, and what it is told there. None
# of it is in `params:`, for none of it changes a result. No rules here.

from functools import partial

from stgnn.batch import longest, require_acceptance
from stgnn.site import Site, check_runs, check_site


def declare_site():
    """Return the site, in which every run of the study fits. A mistake ends Snakemake with one line."""
    said = workflow.config_settings.config.get("site", {})
    site = Site(config["site"], config["threads"], said, longest=partial(longest, config["site"]))
    try:
        check_site(site)
        check_runs(site, STUDY.all_runs)
    except InputError as error:
        raise SystemExit(f"Error: {error}") from None
    return site


SITE = declare_site()

# What a job is told, through the environment. The site's own variables and `setup` are for compute nodes: a login
# node's belong to its user.
os.environ.update(
    STGNN_THREADS=str(config["threads"]),
    STGNN_INTERFACE=SITE.settings["interface"] or "",
    STGNN_SCRATCH=SITE.settings["scratch"] or "",
    STGNN_SETUP="",
)
if workflow.remote_exec:
    os.environ.update(
        SITE.environment(),
        STGNN_SETUP=SITE.setup(programs=str(Path(sys.executable).parent)),
        STGNN_IN_JOB="1",
    )


def asked(request):
    """Return one function for each resource that `request(wildcards, attempt)` asks for: a resource is a function."""

    def one(name):
        def resource(wildcards, attempt):
            return request(wildcards, attempt)[name]

        return resource

    return {name: one(name) for name in SITE.prepare(attempt=1)}


def to_train(wildcards, attempt):
    return SITE.train(run_of(wildcards).settings["workers"], attempt)


def to_prepare(wildcards, attempt):
    return SITE.prepare(attempt)


def threads_to_train(wildcards):
    return SITE.threads_on_node(run_of(wildcards).settings["workers"])


# Not in a dry run, which needs no batch system, and not when there is nothing to do.
onstart:
    if CLAIM:
        CLAIM.start(
            writes=map(str, workflow.persistence.all_outputfiles()),
            reads=map(str, workflow.persistence.all_inputfiles()),
        )
    try:
        require_acceptance(SITE, STUDY.all_runs)
    except InputError as error:
        raise SystemExit(f"Error: {error}") from None
