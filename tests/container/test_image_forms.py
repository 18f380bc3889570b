"""The forms offer to make an image: with a real Podman, from the button to the job in the image."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_unattended.image.process import Making
from jupyter_unattended.jobs.service import JobService
from jupyter_unattended.jobs.states import State
from tests.integration.kernels import Kernel
from tests.integration.local_jobs import LocalJobs

from .engine import BASE, TestEngine
from .test_image import write

FIND = """\
import time
import ipywidgets as w

def every(x):
    yield x
    for child in getattr(x, 'children', ()):
        yield from every(child)

def labelled(text):
    return next(x for x in every(form) if getattr(x, 'description', None) == text)

def said():
    return ' '.join(x.value for x in every(form) if isinstance(x, w.HTML))

form = get_ipython().run_line_magic('submit', 'form')
"""


@pytest.fixture
def kernel(engine: TestEngine, state_dir: Path, tmp_path: Path) -> Iterator[Kernel]:
    """Return the kernel of a notebook, in which the extension is loaded."""
    directory = tmp_path / "my work"
    directory.mkdir()
    notebook = write(directory, "print('in', 'the', 'image')", requirements="# none\n")
    made = Kernel(notebook)
    made.run("%load_ext jupyter_unattended")
    yield made
    made.close()


@pytest.mark.timeout(300)
def test_the_form_in_the_notebook_makes_an_image_and_submits_to_it(
    kernel: Kernel, service: JobService, local: LocalJobs
) -> None:
    def value(expression: str) -> str:
        answer = kernel.run(f"print({expression})")
        assert answer.status == "ok", answer
        return answer.stdout.strip()

    assert kernel.run(FIND).status == "ok"
    words = "[getattr(x, 'description', '') for x in every(form)]"
    assert "Make and try an image" not in value(words)
    kernel.run("labelled('Where').value = 'container'")
    kernel.run(f"labelled('made from').value = {BASE!r}\nlabelled('Make and try an image').click()")
    deadline = time.monotonic() + 200
    phases = set()
    while not value("labelled('Image').value"):
        words = value("said()")
        phases.add(next((word for word in ("Step", "Trying") if word in words), ""))
        assert 'role="alert"' not in words, words
        assert time.monotonic() < deadline, words
        time.sleep(0.05)
    assert "Trying" in phases
    image = value("labelled('Image').value")
    assert image.startswith("localhost/notebook:")
    assert f"The notebook ran in <code>{image}</code>" in value("said()")
    kernel.run("labelled('Submit').click()")
    (job,) = service.list()
    assert local.end(job, timeout=100).state is State.SUCCEEDED
    assert job.backend == "container"
    assert service.spec(job.id)["spec"]["image"] == image
    assert "in the image\n" in local.log(job)


def ended(making: Making) -> dict[str, Any]:
    """Wait until an image is made, or is not."""
    deadline = time.monotonic() + 200
    while making.is_running:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return making.state()


@pytest.mark.timeout(300)
def test_what_jupyterlab_is_told(engine: TestEngine, state_dir: Path, tmp_path: Path) -> None:
    notebook = write(tmp_path, "import iniconfig", requirements="# none\n")
    fields = {"notebook": str(notebook), "backend": "container"}
    making = Making(fields, base=BASE)
    state = ended(making)
    assert state["phase"] == "lacking", state
    assert state["made"]["written"] == ["Containerfile", ".dockerignore"]
    assert state["step"]["number"] == state["step"]["total"]
    assert any("pip install" in line for line in state["lines"])
    assert Path(state["log"]).read_text().startswith("$ ")
    (lack,) = state["trial"]["lacks"]
    assert lack["line"].startswith("iniconfig==")
    assert lack["where"] == "requirements.txt"
    (tmp_path / "requirements.txt").write_text(lack["line"])
    state = ended(Making(fields, base=BASE, overwrite=True))
    assert state["phase"] == "done", state
    assert engine.podman("image", "inspect", state["image"]["name"])
    # A trial that was good leaves no job behind; the other one has the log.
    assert [job.id for job in JobService().list()] == [making.state()["trial"]["job"]]


@pytest.mark.timeout(300)
def test_a_trial_ends_when_it_is_cancelled(
    engine: TestEngine, state_dir: Path, tmp_path: Path
) -> None:
    notebook = write(tmp_path, "import time\ntime.sleep(600)", requirements="# none\n")
    making = Making({"notebook": str(notebook), "backend": "container"}, base=BASE)
    deadline = time.monotonic() + 200
    while not (jobs := JobService().list(states=[State.RUNNING])):
        assert making.is_running, making.state()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    making.cancel()
    assert ended(making)["phase"] == "cancelled"
    assert JobService().wait(jobs[0].id, 60).state is State.CANCELLED
