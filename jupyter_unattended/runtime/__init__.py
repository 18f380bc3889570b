"""The code that runs inside a job.

Standard library and IPython only; imports nothing from its siblings, because it travels alone into
images that lack this package.
"""

from __future__ import annotations

import pkgutil

# In a job, this is the travelling copy; an installed package supplies what did not travel, so that
# a job can submit jobs.
__path__ = pkgutil.extend_path(__path__, __name__)
