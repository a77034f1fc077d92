"""A driver process for the launchers' tests: `drive.py FOLDER SETTINGS [SITE] [LIMITS]`, the last three as JSON."""

import json
import logging
import sys
from pathlib import Path

from stgnn.distributed.launch import Surroundings, launch
from stgnn.distributed.supervise import TrainingFailed
from stgnn.distributed.watch import Limits
from stgnn.errors import InputError
from stgnn.training.stop import STOPPED, Stopped

FAILED = {Stopped: STOPPED, InputError: 2, TrainingFailed: 1}


def main(folder: str, settings: str, site: str = "{}", limits: str = "{}") -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    out = Path(folder)
    try:
        launch(
            json.loads(settings),
            out / "small.zarr",
            out / "run",
            around=Surroundings(**json.loads(site)),
            function="ranks:run",
            limits=Limits(**json.loads(limits)),
        )
    except (Stopped, InputError, TrainingFailed) as failed:
        sys.stderr.write(f"stgnn train: {failed}\n")
        return FAILED[type(failed)]
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
