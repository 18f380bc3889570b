"""Jobs: the one door (`service`), the index, states.

The package is callable: ``from jupyter_unattended import jobs; jobs()`` lists jobs, whether or not
this package was imported before (an imported subpackage hides a function of the same name).
"""

import sys
from types import ModuleType
from typing import Any


class _CallableModule(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from ..api import jobs

        return jobs(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableModule
