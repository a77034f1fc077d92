"""`python -m stgnn` is the `stgnn` command of this interpreter."""

import sys

from stgnn.cli import main

sys.exit(main())
