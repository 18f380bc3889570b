"""``python -m jupyter_unattended.runtime NOTEBOOK [ARGUMENTS…]`` runs without a job directory."""

import sys

if __name__ == "__main__":
    from .main import main

    sys.exit(main(sys.argv[1:], in_job=False))
