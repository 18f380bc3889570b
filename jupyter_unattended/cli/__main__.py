"""``python -m jupyter_unattended.cli``, for where the script is not on PATH."""

from .app import main

main()
