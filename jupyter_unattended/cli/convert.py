"""``convert``: start.sh, requirements.txt and, if asked, a plain script beside the notebook."""

from __future__ import annotations

import click

from ..request import Request
from . import text
from .common import service
from .submit import WORDS, Command


def _convert(request: Request, to: str, overwrite: bool) -> int:
    from ..bundle import beside

    spec = request.spec()
    prepared = service().prepare(spec)
    for name in request.secrets:
        text.warn(f"{name} looks secret and was left out; set it where start.sh runs.")
    written = beside.convert(
        prepared.notebook,
        prepared.kernel,
        prepared.requirements,
        to="script" if to == "script" else "notebook",
        arguments=spec.arguments,
        environment=spec.env,
        overwrite=overwrite,
    )
    for file in written:
        if file.kept:
            text.warn(f"{file.path} was there and is kept; --overwrite replaces it.")
        else:
            print(text.one_line(file.path))
    return 0


convert_command = Command(
    "convert",
    _convert,
    [
        click.Option(
            ["--to"],
            type=click.Choice(["notebook", "script"]),
            default="notebook",
            show_default=True,
            help="What start.sh runs: the notebook itself, or a plain script that is written, too.",
        ),
        click.Option(["--overwrite"], is_flag=True, help="Replace files that are there."),
    ],
    help=f"""Write start.sh and requirements.txt beside a notebook, and print their paths.

Nothing is submitted. With --to script the notebook is also written as a stand-alone Python script
whose parameters are argparse options. A file that is there already is kept.
{WORDS}
""",
    epilog=text.examples(
        "jupyter unattended convert train.ipynb",
        "jupyter unattended convert train.ipynb --to script && ./start.sh --epochs 3",
    ),
)
