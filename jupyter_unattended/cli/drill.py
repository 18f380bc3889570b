"""``drill``: proof that a notebook survives being stopped."""

from __future__ import annotations

import click

from ..jobs.drill import Drill
from ..request import Request
from . import text
from .common import WholeNumber, service
from .submit import WORDS, Command


def _drill(
    request: Request, stops: int, seed: int, kill: bool, keep: bool, force: bool, as_json: bool
) -> int:
    from ..jobs.drill import Driller

    driller = Driller(
        service(), request.spec(), stops=stops, kill=kill, seed=seed, keep=keep, say=text.say
    )
    found = driller.run(force=force, secrets=request.secrets)
    if as_json:
        text.print_json(found.to_dict())
    else:
        print(_told(found))
    return 0 if found.same else 1


def _told(found: Drill) -> str:
    lines = []
    if found.failure:
        lines.append(f"Not proved: {text.one_line(found.failure)}.")
    elif found.same:
        lines.append("Same result: the executed notebook shows what an undisturbed run shows.")
    else:
        cells = ", ".join(map(str, found.differences))
        lines.append(f"Another result: it differs in cell {cells}.")
        if found.deterministic is False:
            lines.append(
                "Two undisturbed runs differ too: the notebook itself gives another result each "
                "time (set its random seeds; leave out times and paths)."
            )
    if found.attempts and not found.failure:
        times = f"{found.stops} time{'' if found.stops == 1 else 's'}"
        lines.append(
            f"Stopped {times}, {found.attempts} attempts, "
            f"{text.duration(found.seconds)} against {text.duration(found.undisturbed_seconds)} "
            f"undisturbed; {found.lost_seconds:.1f} s of work was lost, "
            f"{found.saving_seconds:.1f} s went into saving."
        )
    lines += [text.one_line(reason) for reason in found.reasons]
    if found.jobs and not found.same:
        lines.append(f"To look at: jupyter unattended show {found.jobs[-1]}")
    return "\n".join(lines)


drill_command = Command(
    "drill",
    _drill,
    [
        click.Option(
            ["--stops"],
            type=WholeNumber(1, 1000),
            default=5,
            metavar="N",
            help="How often to stop it.  [default: 5]",
        ),
        click.Option(
            ["--seed"],
            type=WholeNumber(),
            default=0,
            metavar="N",
            help="Another number, other moments.  [default: 0]",
        ),
        click.Option(["--kill"], is_flag=True, help="Kill it (SIGKILL) instead of stopping it."),
        click.Option(["--keep"], is_flag=True, help="Keep the jobs also if the result is right."),
        click.Option(["--force"], is_flag=True, help="Run although the check finds errors."),
        click.Option(["--json", "as_json"], is_flag=True, help="Print JSON."),
    ],
    help=f"""Prove that a notebook survives being stopped.

Runs it here twice: undisturbed, and stopped at random moments. Exits with 0 if the executed
notebooks show the same, else with 1. Checkpoints are saved after every cell unless
--checkpoint-interval says otherwise.
{WORDS}
""",
    epilog=text.examples(
        "jupyter unattended drill train.ipynb",
        "jupyter unattended drill train.ipynb --stops 20 --kill --epochs 3",
    ),
)
