"""``python -m jupyter_unattended.runtime NOTEBOOK [ARGUMENTS…]`` runs without a job directory."""

import os
import sys

if __name__ == "__main__":
    if sys.path and sys.path[0] in ("", os.getcwd()):  # noqa: PTH109
        del sys.path[0]  # the notebook's directory comes in its place

    from .main import main

    sys.exit(main(sys.argv[1:], in_job=False))
