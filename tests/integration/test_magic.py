"""``%submit`` and the Python API, typed into a real kernel."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from jupyter_unattended.jobs.service import JobService
from jupyter_unattended.jobs.states import State

from .kernels import Kernel

CELLS = {
    "params": "epochs = 3  # how many\nname = 'plain'",
    "imports": "import time\nfrom jupyter_unattended import progress, report",
    "loop": "for epoch in range(epochs):\n    report(step=epoch, loss=1 / (epoch + 1))\n"
    "    progress(epoch + 1, epochs)\nprint(name, epochs, flush=True)",
    "area": "factor = 2\ndef area(r):\n    return factor * r",
    "load": "%load_ext jupyter_unattended",
    "only": "raise RuntimeError('only by hand')",
    "submit": "%submit epochs=4",
    "cell": "%%submit quick\nprint('area is', area(3))",
}


#: Finds the widgets of a form by what a person reads.
FIND = (
    "import ipywidgets as w\n"
    "def every(x):\n"
    "    yield x\n"
    "    for child in getattr(x, 'children', ()):\n"
    "        yield from every(child)\n"
    "def labelled(form, text):\n"
    "    return next(x for x in every(form) if getattr(x, 'description', None) == text)\n"
    "def press(form, text):\n"
    "    next(b for b in every(form)\n"
    "         if isinstance(b, w.Button) and b.description == text).click()\n"
    "def said(form):\n"
    "    return [h.value for h in every(form) if isinstance(h, w.HTML)]\n"
)


def write(path: Path, **changes: str) -> None:
    cells = [new_code_cell(source, id=name) for name, source in {**CELLS, **changes}.items()]
    tags = {"params": "parameters", "only": "interactive-only"}
    for cell in cells:
        if cell.id in tags:
            cell.metadata["tags"] = [tags[cell.id]]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python", "language": "python"}}
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)


@pytest.fixture
def notebook(workspace: Path) -> Path:
    path = workspace / "train it's é.ipynb"
    write(path)
    return path


@pytest.fixture
def kernel(state_dir: Path, service: JobService, notebook: Path) -> Iterator[Kernel]:
    kernel = Kernel(notebook)
    try:
        assert kernel.run("%load_ext jupyter_unattended", "load").status == "ok"
        yield kernel
    finally:
        kernel.close()


def test_this_notebook_runs_with_other_parameters(kernel: Kernel, service: JobService) -> None:
    answer = kernel.run("%submit epochs=4", "submit")
    assert answer.status == "ok", answer
    assert answer.stderr == ""
    view = service.wait(answer.text.partition(":")[0], 60)
    assert view.state is State.SUCCEEDED, view
    log = kernel.run("%submit logs").stdout
    assert "plain 4\n" in log
    # Neither the cell that submits nor the one for people ran.
    skipped = [event["id"] for event in service.events(view.id) if event.get("status") == "skipped"]
    assert skipped == ["only", "submit", "cell"]
    metrics = kernel.run("job = %submit status\nprint(job.metrics()['loss'].tolist())").stdout
    assert metrics == "[1.0, 0.5, 0.3333333333333333, 0.25]\n"
    outputs = kernel.run("print([c.id for c in job.result().cells if c.get('outputs')])").stdout
    assert "loop" in outputs


def test_values_from_python(kernel: Kernel, service: JobService) -> None:
    kernel.run("n = 2\nwords = 'with a space, an é and a \"quote\"'")
    answer = kernel.run("%submit epochs=$n name=$words --name by-value")
    view = service.wait(answer.text.partition(":")[0], 60)
    assert view.state is State.SUCCEEDED, view
    assert view.name == "by-value"
    assert 'with a space, an é and a "quote" 2\n' in "".join(service.logs(view.id))


def test_mistakes_are_one_line_and_submit_nothing(kernel: Kernel, service: JobService) -> None:
    for code, words in {
        "%submit epochz=3": "did you mean epochs",
        "%submit --epochs three": "epochs",
        "%submit --cpu 3": "--cpus",
        "%submit --backend nowhere": "nowhere",
        "%submit 'unclosed": "closing quotation",
        "%submit --notebook none.ipynb": "There is no notebook",
        "%submit status nothing": "no job",
    }.items():
        answer = kernel.run(code)
        assert answer.status == "error", code
        assert words in answer.stderr, (code, answer)
        assert "Traceback" not in answer.stderr + answer.error, (code, answer)
        assert answer.stderr.strip().splitlines()[-1].startswith("UsageError: "), (code, answer)
    assert service.list() == []


def test_options_variables_and_arguments(
    kernel: Kernel, service: JobService, notebook: Path
) -> None:
    answer = kernel.run("%submit --epochs 1 --backend local --cpus 2 -e LEARNING_RATE=0.02")
    assert answer.status == "ok", answer
    spec = service.spec(answer.text.partition(":")[0])["spec"]
    assert spec["env"] == {"LEARNING_RATE": "0.02"}
    assert (spec["cpus"], spec["parameters"]["epochs"]) == (2, 1)
    # Whoever reads sys.argv has no cell of parameters.
    own = notebook.with_name("own.ipynb")
    nbformat.write(new_notebook(cells=[new_code_cell("import sys\nprint(sys.argv[1:])")]), own)
    answer = kernel.run("%submit --notebook own.ipynb --time-limit 1h -- --extra 'two words'")
    assert answer.status == "ok", answer
    view = service.wait(answer.text.partition(":")[0], 60)
    assert "['--extra', 'two words']\n" in "".join(service.logs(view.id))
    assert service.spec(view.id)["spec"]["time_limit"] == 3600
    answer = kernel.run("%submit --gpus 1")
    assert answer.status == "error"
    assert "GPU" in answer.stderr


def test_the_last_job_or_a_named_one_is_steered(
    kernel: Kernel, service: JobService, notebook: Path
) -> None:
    write(notebook, loop="print('begun', flush=True)\ntime.sleep(60)", submit="%submit")
    kernel.run("%submit --name first", "submit")
    kernel.run("%submit --name second", "submit")
    first, second = (service.get(name).id for name in ("first", "second"))

    def state(job_id: str, *wanted: State) -> None:
        deadline = time.monotonic() + 60
        while (view := service.get(job_id)).state not in wanted:
            assert time.monotonic() < deadline, view
            time.sleep(0.05)

    state(second, State.RUNNING)
    assert f"{second}: paus" in kernel.run("%submit pause").text
    state(second, State.PAUSED)
    kernel.run("%submit resume")
    state(second, State.QUEUED, State.STARTING, State.RUNNING)
    state(first, State.RUNNING)
    assert f"{first}: " in kernel.run("%submit status first").text
    kernel.run("%submit cancel first")
    state(first, State.CANCELLED)
    kernel.run("%submit cancel")
    state(second, State.CANCELLED)
    assert kernel.run("%submit logs first").stdout.startswith("begun\n")
    listed = kernel.run("%submit list")
    assert "text/html" in listed.data[-1]
    assert all(job_id in listed.data[-1]["text/html"] for job_id in (first, second))
    assert kernel.run("%submit list").status == "ok"
    answer = kernel.run("%submit resume first")
    assert answer.stderr.startswith("UsageError: "), answer


def test_help_is_the_command_lines(kernel: Kernel) -> None:
    text = kernel.run("%submit --help").stdout
    for flag in ("--time-limit", "--gpus", "--env", "--notebook", "--force"):
        assert flag in text


def test_one_cell_with_the_cells_it_needs(kernel: Kernel, service: JobService) -> None:
    answer = kernel.run(CELLS["cell"], "cell")
    assert answer.status == "ok", answer
    assert answer.stdout == "Runs this cell with cell 4, which it needs.\n"
    view = service.wait("quick", 60)
    assert view.state is State.SUCCEEDED, view
    assert "".join(service.logs(view.id)).startswith("area is 6\n")


def test_a_cell_that_needs_what_nobody_defines(kernel: Kernel, service: JobService) -> None:
    source = "%%submit\nprint(nowhere)"
    answer = kernel.run(source)
    assert "not in" in answer.stderr  # not saved yet
    path = Path(kernel.run("import os; print(os.environ['JPY_SESSION_NAME'])").stdout.strip("\n"))
    write(path, cell=source)
    answer = kernel.run(source, "cell")
    assert "This cell needs nowhere" in answer.stderr
    assert service.list() == []


def test_an_old_file_is_told(kernel: Kernel, service: JobService, notebook: Path) -> None:
    time.sleep(0.02)
    kernel.run("factor = 3", "area")
    answer = kernel.run("%submit", "submit")
    assert "older than what was run here: cell 4" in answer.stderr
    assert service.list() == []
    write(notebook, area="factor = 3", submit="%submit")
    answer = kernel.run("%submit", "submit")
    assert answer.status == "ok"
    assert answer.stderr == ""
    # Of an edit that was not run the kernel only knows that this cell is not in the file.
    answer = kernel.run("%submit --name again", "submit")
    assert answer.status == "ok"
    assert "changes that are not saved" in answer.stderr
    service.cancel("again")


def test_interrupting_a_wait_leaves_the_job_alone(
    kernel: Kernel, service: JobService, notebook: Path
) -> None:
    write(notebook, loop="time.sleep(3)\nprint('slept')", submit="%submit")
    job_id = kernel.run("%submit", "submit").text.partition(":")[0]
    kernel.interrupt_after(0.7)
    answer = kernel.run("%submit wait")
    assert "Stopped waiting" in answer.stderr
    kernel.interrupt_after(0.7)
    answer = kernel.run("from jupyter_unattended import Job\nJob('" + job_id + "').wait()")
    assert "was not touched" in answer.error
    assert service.wait(job_id, 60).state is State.SUCCEEDED


def test_a_lost_kernel_changes_nothing(kernel: Kernel, service: JobService, notebook: Path) -> None:
    write(notebook, loop="time.sleep(2)\nprint('slept')", submit="%submit")
    job_id = kernel.run("%submit", "submit").text.partition(":")[0]
    kernel.manager.shutdown_kernel(now=True)
    again = Kernel(notebook)
    try:
        code = "from jupyter_unattended import jobs, submit, Job\nprint([j.id for j in jobs()])"
        assert again.run(code).stdout == f"['{job_id}']\n"
        again.run("%load_ext jupyter_unattended")
        assert again.run("%submit wait").text.startswith(f"{job_id}: succeeded")
    finally:
        again.close()


def test_awaiting_checking_and_steering(kernel: Kernel, service: JobService) -> None:
    answer = kernel.run(
        "from jupyter_unattended import submit\n"
        "from jupyter_unattended.errors import JobFailedError, UnattendedError\n"
        "job = await submit(parameters={'epochs': 1})\n"
        "print(job.state, job.exit_code, job.parameters['epochs'], len(job.attempts()))\n"
        "bad = submit(parameters={'epochs': -1}, env={'A': 'b'}, name='bad')\n"
        "bad = bad.clone(parameters={'name': 'cloned'})\n"
        "print(bad.wait(30, check=True).logs().splitlines()[0])\n"
        "try:\n    job.cancel()\nexcept UnattendedError as error:\n    print(error)"
    )
    assert answer.status == "ok", answer
    lines = answer.stdout.splitlines()
    assert lines[:2] == ["succeeded 0 1 1", "cloned -1"]
    assert "has ended" in lines[2]


def test_completion(kernel: Kernel) -> None:
    assert "form" in kernel.complete("%submit fo")
    assert "--time-limit" in kernel.complete("%submit --ti")
    assert "--epochs" in kernel.complete("%submit --ep")
    assert "epochs=" in kernel.complete("%submit ep")
    assert "local" in kernel.complete("%submit --backend lo")


def test_the_form_submits_and_remembers(kernel: Kernel, service: JobService) -> None:
    answer = kernel.run("form = get_ipython().run_line_magic('submit', 'form')\nform")
    assert answer.status == "ok", answer
    assert any("application/vnd.jupyter.widget-view+json" in data for data in answer.data)
    assert kernel.run(FIND).status == "ok"
    assert kernel.run("print(labelled(form, 'epochs').value)").stdout == "3\n"
    kernel.run("labelled(form, 'epochs').value = 'three'\npress(form, 'Submit')")
    assert "is not a whole number" in kernel.run("print(said(form))").stdout
    assert service.list() == []
    kernel.run("labelled(form, 'epochs').value = '2'\npress(form, 'Preview')")
    assert "requirements.txt" in kernel.run("print(said(form))").stdout
    kernel.run("press(form, 'Submit')")
    jobs = service.list()
    assert len(jobs) == 1, kernel.run("print(said(form))").stdout
    assert service.spec(jobs[0].id)["spec"]["parameters"]["epochs"] == 2
    kernel.run("labelled(form, 'Values to try').value = 'epochs=1,2'\npress(form, 'Submit')")
    runs = service.list()[:2]
    assert [service.spec(run.id)["spec"]["parameters"]["epochs"] for run in runs] == [2, 1]
    kernel.run("labelled(form, 'Values to try').value = ''")
    again = "form = get_ipython().run_line_magic('submit', 'form')"
    assert kernel.run(f"{again}\nprint(labelled(form, 'epochs').value)").stdout == "2\n"


def test_the_form_is_as_narrow_as_the_policy(
    service: JobService, notebook: Path, tmp_path: Path
) -> None:
    (tmp_path / "jupyter_unattended_policy.toml").write_text(
        "[fields.cpus]\nmaximum = 2\n[fields.priority]\nfixed = 7\n[fields.image]\nhidden = true\n"
    )
    write(notebook, loop="print(nowhere)", submit="%submit")
    kernel = Kernel(notebook, JUPYTER_CONFIG_PATH=str(tmp_path))
    try:
        kernel.run("%load_ext jupyter_unattended")
        answer = kernel.run("form = get_ipython().run_line_magic('submit', 'form')")
        assert answer.status == "ok", answer
        kernel.run(FIND)
        look = "f = labelled(form, {0!r}); print(f.value, f.disabled)"
        assert kernel.run(look.format("Priority")).stdout == "7 True\n"
        # A choice has what may be chosen, and what may not with the reason.
        offers = kernel.run("print([o for o, _ in labelled(form, 'Where').options])").stdout
        assert "not usable here" in offers
        assert kernel.run("labelled(form, 'Image')").error.startswith("StopIteration")
        said = kernel.run("print(said(form))").stdout
        assert "nowhere" in said
        assert "cell 3" in said
        kernel.run("labelled(form, 'CPU cores').value = '3'\npress(form, 'Submit')")
        assert "3 is not at most 2" in kernel.run("print(said(form))").stdout
        kernel.run("labelled(form, 'CPU cores').value = '2'\npress(form, 'Submit')")
        assert "error" in kernel.run("print(said(form))").stdout
        assert service.list() == []
        kernel.run(
            "labelled(form, 'Submit in spite of errors').value = True\npress(form, 'Submit')"
        )
        (view,) = service.list()
        assert service.spec(view.id)["spec"]["priority"] == 7
    finally:
        kernel.close()


def test_plain_text_where_widgets_are_missing(
    state_dir: Path, service: JobService, notebook: Path
) -> None:
    kernel = Kernel(notebook)
    try:
        kernel.run("import sys\nsys.modules['ipywidgets'] = None\n%load_ext jupyter_unattended")
        answer = kernel.run("%submit", "submit")
        assert re.match(r"train-it-s-e-\d{8}-\d{6}-\w{4}: \w+", answer.text), answer
        assert "text/html" in answer.data[-1]
        assert "pip install ipywidgets" in kernel.run("%submit form").stderr
    finally:
        kernel.close()
