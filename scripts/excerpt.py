"""Print what a terminal can of an executed notebook: ``excerpt.py JOB_DIRECTORY FIGURES``."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

_LINES = 12


def main() -> None:
    """Print the excerpt, and write the figures as PNG files."""
    job, target = Path(sys.argv[1]), Path(sys.argv[2])
    notebook = json.loads((job / "output.ipynb").read_text(encoding="utf-8"))
    target.mkdir(exist_ok=True)
    figures = 0
    for cell in notebook["cells"]:
        outputs = cell.get("outputs") or []
        if not outputs:
            continue
        first = "".join(cell["source"]).strip().splitlines()[0]
        print(f"\nIn [{cell['execution_count']}]: {first} ...")
        for output in outputs:
            png = output.get("data", {}).get("image/png")
            if png is not None:
                figures += 1
                path = target / f"figure-{figures}.png"
                path.write_bytes(base64.b64decode("".join(png)))
                print(f"    [figure: {path}]")
            else:
                _print_text(output)
    print(f"\nAll of it: {job / 'output.ipynb'}")


def _print_text(output: dict[str, Any]) -> None:
    text = "".join(output.get("text") or output.get("data", {}).get("text/plain", ""))
    lines = text.rstrip("\n").splitlines()
    for line in lines[:_LINES]:
        print(f"    {line}")
    if len(lines) > _LINES:
        print(f"    ... {len(lines) - _LINES} more lines")


if __name__ == "__main__":
    main()
