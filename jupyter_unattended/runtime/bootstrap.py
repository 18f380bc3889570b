"""``__main__.py`` of a job's runtime directory: ``python <job directory>/runtime ARGUMENTS``."""

import gc
import sys

if __name__ == "__main__":
    gc.disable()  # until the notebook's own code begins: what is imported until then stays

    from jupyter_unattended.runtime.main import main

    # This directory is at the end of PYTHONPATH as well, for child processes.
    del sys.path[0]
    sys.exit(main(sys.argv[1:], in_job=True))
