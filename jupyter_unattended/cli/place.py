"""``backends`` and ``doctor``: what this installation can do, and what is wrong with it."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import click

from . import text
from .common import json_option, service


@click.command(
    "backends",
    epilog=text.examples(
        "jupyter unattended backends", "jupyter unattended submit --backend local --help"
    ),
)
@json_option()
def backends_command(as_json: bool) -> int:
    """List where jobs can run, and why not where they cannot."""
    rows = _backends()
    if as_json:
        text.print_json(rows)
    elif text.is_terminal(sys.stdout):
        for row in rows:
            _print_backend(row)
    else:
        text.print_rows(
            ("name", "usable", "title", "reason"),
            (
                (row["name"], "yes" if row["usable"] else "no", row["title"], row["reason"])
                for row in rows
            ),
        )
    return 0


@click.command(
    "doctor",
    epilog=text.examples(
        "jupyter unattended doctor", "jupyter unattended doctor ~/projects/speech"
    ),
)
@click.argument("workspace", type=click.Path(), default=".", metavar="[WORKSPACE]")
@click.option(
    "--site-profile",
    metavar="BACKEND",
    help="Instead, print a site profile for slurm or gridengine, from what its scheduler tells.",
)
@json_option()
def doctor_command(workspace: str, site_profile: str | None, as_json: bool) -> int:
    """Check what jobs need here and say what to do about what is missing.

    Exits with 1 if something would keep jobs from running.
    """
    if site_profile is not None:
        print(_proposed_profile(site_profile), end="")
        return 0
    from .. import doctor

    checks = doctor.run(Path(workspace).absolute(), service().state_dir)
    if as_json:
        text.print_json([check.to_dict() for check in checks])
    else:
        colours = {"ok": "green", "warning": "yellow", "error": "red"}
        for check in checks:
            word = text.paint(check.status.ljust(7), colours[check.status])
            print(f"{word}  {check.title}: {text.one_line(check.message)}")
            if check.fix:
                print(f"{'':9}{text.one_line(check.fix)}")
    return 1 if any(check.status == "error" for check in checks) else 0


def _proposed_profile(name: str) -> str:
    from ..backends.batch.backend import BatchBackend
    from ..errors import UnsupportedError

    backend = service().backend(name)
    if not isinstance(backend, BatchBackend):
        raise UnsupportedError(f"{name} has no site profile; slurm and gridengine have.")
    return backend.propose_profile()


def _backends() -> list[dict[str, Any]]:
    from ..backends import registry

    loaded, broken = registry.all(service().state_dir)
    rows: list[dict[str, Any]] = []
    for name, backend in loaded.items():
        available = backend.availability()
        cannot = dataclasses.asdict(backend.capabilities())
        rows.append(
            {
                "name": name,
                "title": backend.title,
                "usable": available.usable,
                "reason": available.reason,
                "cannot": {what: why for what, why in cannot.items() if why},
                "options": backend.options_model().model_json_schema(),
            }
        )
    empty = {"title": "", "usable": False, "cannot": {}, "options": {}}
    rows += [{**empty, "name": name, "reason": reason} for name, reason in broken.items()]
    return rows


def _print_backend(row: dict[str, Any]) -> None:
    word = text.paint("usable", "green") if row["usable"] else text.paint("not usable", "red")
    print(f"{text.paint(row['name'], 'bold')}  {word}  {row['title']}")
    if row["reason"]:
        print(f"    {text.one_line(row['reason'])}")
    for what, why in row["cannot"].items():
        print(f"    no {what}: {text.one_line(why)}")
