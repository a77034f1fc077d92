#!/usr/bin/env python3
"""Delete the PBS jobs whose ids are the arguments.

Snakemake kills this program after two seconds, and qdel may take longer where the server is busy: it runs on by itself.
"""

import subprocess
import sys
from contextlib import suppress

PATIENCE = 1.0  # seconds for qdel to end while its complaints can still be shown

if __name__ == "__main__":
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.Popen(["qdel", *sys.argv[1:]], stdin=subprocess.DEVNULL, start_new_session=True).wait(
            PATIENCE
        )
