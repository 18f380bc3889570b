"""Building an image with Podman, Buildah or Docker, whichever is here."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..backends.container import find, words
from ..backends.container.command import own_variables
from ..errors import BackendError

#: How each of them says which step it is at: Podman and Buildah, Docker's own builder, BuildKit.
_STEP = re.compile(r"^(?:STEP|Step) (\d+)/(\d+) ?: (.*)|^#\d+ \[(?:\S+ )?(\d+)/(\d+)\] (.*)")
_CACHED = re.compile(r"^--> Using cache|^ ---> Using cache|^#\d+ CACHED")
#: Lines of the log that an error quotes.
_QUOTED = 400


@dataclass(frozen=True)
class Step:
    """Where a build is: the number of the step, how many there are, and its instruction."""

    number: int
    total: int
    text: str


@dataclass(frozen=True)
class Built:
    """An image that was built.

    Parameters
    ----------
    name
        Its name, with a tag that no other image gets: the beginning of its id.
    id
        Its id.
    size
        Its bytes.
    steps, cached
        How many steps there were, and how many of them were there already.
    """

    name: str
    id: str
    size: int
    steps: int
    cached: int


def build(
    containerfile: Path,
    repository: str,
    log: Path,
    report: Callable[[Step], None],
    said: Callable[[str], None] = lambda line: None,
) -> Built:
    """Build the image of a Containerfile in its directory.

    Parameters
    ----------
    containerfile
        The file; its directory is what the build sees.
    repository
        The image's name without a tag.
    log
        Gets everything that the builder says.
    report
        Called at every step.
    said
        Called with every line.

    Raises
    ------
    BackendError
        If it cannot be built; the text quotes the builder and names the log.
    """
    program = find.builder()
    flavour = Path(program).name
    command = [program, "build", "--file", str(containerfile), "--tag", repository]
    if flavour == "buildah":
        command += ["--layers"]  # the others keep layers by themselves
    if flavour == "docker":
        command += ["--progress", "plain"]
    log.parent.mkdir(parents=True, exist_ok=True)
    steps = cached = 0
    last: Step | None = None
    with log.open("w", encoding="utf-8", errors="replace") as file:
        file.write(f"$ {' '.join(command)} {containerfile.parent}\n")
        for line in _lines([*command, str(containerfile.parent)], program):
            file.write(line)
            file.flush()
            said(line)
            step = _step(line)
            if step is not None:
                steps, last = max(steps, step.number), step
                report(step)
            elif _CACHED.match(line):
                cached += 1
    found = _inspect(program, flavour, repository)
    if found is None or not log.read_text(encoding="utf-8").endswith("(exit code 0)\n"):
        where = f" in step {last.number} ({last.text[:80]})" if last is not None else ""
        why = words.quoted(_before_the_end(log))[:_QUOTED]
        raise BackendError(f"The build failed{where}: {why}; the whole log is {log}.")
    image, size = found
    name = f"{repository}:{image.removeprefix('sha256:')[:12]}"
    subprocess.run([program, "tag", image, name], env=own_variables(), check=True, timeout=60)
    return Built(name, image, size, steps, cached)


def _lines(command: list[str], program: str) -> Iterator[str]:
    """Yield what the builder says, and at last its exit code."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=own_variables(),
        )
    except OSError as error:
        raise BackendError(f"{program} cannot be run ({error.strerror}).") from error
    with process:
        assert process.stdout is not None
        try:
            yield from process.stdout
        except BaseException:
            process.terminate()
            raise
    yield f"(exit code {process.returncode})\n"


def _step(line: str) -> Step | None:
    match = _STEP.match(line)
    if match is None:
        return None
    number, total, text = match.groups()[:3] if match[1] else match.groups()[3:]
    return Step(int(number), int(total), text.strip())


def _before_the_end(log: Path) -> str:
    """Return the line that says why a build failed.

    The builder's own last word is only that a command did; the command said why before that.
    """
    lines = [line for line in log.read_text(encoding="utf-8").splitlines()[1:-1] if line.strip()]
    said = [
        line for line in lines if not re.match(r"(?i)error: (building at|error building)", line)
    ]
    told = [line for line in said if re.match(r"(?i)\s*(error|E:|.*error:)", line)]
    own = [line for line in said if _step(line) is None and not line.startswith(("-->", "COMMIT"))]
    return (told or own or lines or [""])[-1]


def _inspect(program: str, flavour: str, name: str) -> tuple[str, int] | None:
    words_ = ["inspect", "--type", "image"] if flavour == "buildah" else ["image", "inspect"]
    done = subprocess.run(
        [program, *words_, name],
        env=own_variables(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        return None
    found = json.loads(done.stdout)
    one = found[0] if isinstance(found, list) else found
    return str(one.get("Id") or one.get("FromImageID")), int(one.get("Size") or 0)
