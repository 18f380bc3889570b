"""``__main__`` of a job's runtime: ``python <job>/runtime/jupyter_unattended.zip ARGUMENTS``."""

import gc
import sys

if __name__ == "__main__":
    gc.disable()  # until the notebook's own code begins: what is imported until then stays

    from jupyter_unattended.runtime.main import main

    # Last, so that it hides nothing; PYTHONPATH has it as well, for child processes, unless its
    # path has a colon in it.
    here = sys.path.pop(0)
    if here not in sys.path:
        sys.path.append(here)
    sys.exit(main(sys.argv[1:], in_job=True))
