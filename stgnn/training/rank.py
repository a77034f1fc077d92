"""What every worker runs, whichever launcher started it."""

from pathlib import Path

from stgnn.distributed.job import read_job
from stgnn.distributed.world import joined_world, local_rank
from stgnn.training.engine import train_worker
from stgnn.training.options import choose_device


def train_rank(job: Path) -> None:
    """Be the worker that RANK, WORLD_SIZE, LOCAL_RANK and MASTER_* say, of the run that `job` (job.json) declares.

    Raises `Stopped` after a checkpoint when asked to stop, `InputError` for unusable settings.
    """
    run = read_job(job)
    device = choose_device(run.settings["device"], local_rank())
    with joined_world(device) as world:
        train_worker(run.settings, Path(run.store), Path(run.folder), run.code, world)
