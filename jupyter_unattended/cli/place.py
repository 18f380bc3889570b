"""``backends`` and ``doctor``: what this installation can do, and what is wrong with it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from . import text
from .common import json_option, service


@click.command(
    "backends",
    epilog=examples(
        "jupyter unattended backends",
        "jupyter unattended submit --backend local --help",
        '"""',
        "import dataclasses",
        "",
        "from ..backends import registry",
        "",
        "loaded, broken = registry.all(service().state_dir)",
        "rows = []",
        "for name, backend in loaded.items():",
        "available = backend.availability()",
        "cannot = dataclasses.asdict(backend.capabilities())",
        "rows.append(",
        "{",
        '"name": name,',
        '"title": backend.title,',
        '"usable": available.usable,',
        '"reason": available.reason,',
        '"cannot": {what: why for what, why in cannot.items() if why},',
        '"options": backend.options_model().model_json_schema(),',
        "}",
        ")",
        "for name, reason in broken.items():",
        'rows.append({"name": name, "title": "", "usable": False, "reason": reason, "cannot": {},',
        '"options": {}})  # fmt: skip',
        "if as_json:",
        "text.print_json(rows)",
        "return 0",
        "if not text.is_terminal(sys.stdout):",
        'table = ((row["name"], "yes" if row["usable"] else "no", row["title"], row["reason"])',
        "for row in rows)  # fmt: skip",
        'text.print_rows(("name", "usable", "title", "reason"), (map(str, row) for row in table))',
        "return 0",
        "for row in rows:",
        'word = text.paint("usable", "green") if row["usable"] else text.paint("not usable", "red")',
        "print(f\"{text.paint(str(row['name']), 'bold')}  {word}  {row['title']}\")",
        'if row["reason"]:',
        "print(f\"    {text.one_line(row['reason'])}\")",
        'cannot = row["cannot"]',
        "assert isinstance(cannot, dict)",
        "for what, why in cannot.items():",
        'print(f"    no {what}: {text.one_line(why)}")',
        "return 0",
        "",
        "",
        '@click.command("doctor")',
        '@click.argument("directory", type=click.Path(), default=".", metavar="[WORKSPACE]")',
        "@json_option()",
        "def doctor_command(directory: str, as_json: bool) -> int:",
        '"""Check what jobs need here and say what to do about what is missing.',
        "",
        "Exits with 1 if something would keep jobs from running.",
        "",
        "\\b",
        "Examples:",
        "jupyter unattended doctor",
        "jupyter unattended doctor ~/projects/speech",
    ),
)
@json_option()
def backends_command(as_json: bool) -> int:
    """List where jobs can run, and why not where they cannot."""
    from .. import doctor

    checks = doctor.run(Path(directory).absolute(), service().state_dir)
    if as_json:
        text.print_json([check.to_dict() for check in checks])
    else:
        colours = {"ok": "green", "warning": "warning", "error": "error"}
        for check in checks:
            word = text.paint(check.status.ljust(7), colours[check.status])
            print(f"{word}  {check.title}: {text.one_line(check.message)}")
            if check.fix:
                print(f"{'':9}{text.one_line(check.fix)}")
    return 1 if any(check.status == "error" for check in checks) else 0
