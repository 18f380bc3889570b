"""``__main__.py`` of a job's runtime directory: ``python <job directory>/runtime ARGUMENTS``."""

import sys

if __name__ == "__main__":
    from jupyter_unattended.runtime.main import main

    # This directory is at the end of PYTHONPATH as well, for child processes.
    del sys.path[0]
    sys.exit(main(sys.argv[1:], in_job=True))
