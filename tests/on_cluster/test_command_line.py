"""The commands of docs/kubernetes.md, as a person types them."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest
import yaml

from tests.cluster.harness import REPOSITORY, wait_until
from tests.integration.command_line import CommandLine, write_notebook
from tests.on_cluster.jobs import Bench

pytestmark = pytest.mark.timeout(300)
NOTEBOOK = "import os\nprint('epochs', epochs, os.environ['UNATTENDED_ATTEMPT'])"


@pytest.fixture
def command(bench: Bench, tmp_path: Path) -> CommandLine:
    """A shell in the workspace, outside the cluster."""
    write_notebook(bench.workspace / "train.ipynb", NOTEBOOK, parameters="epochs = 1")
    (bench.workspace / "requirements.txt").touch()
    home = tmp_path / "home"
    home.mkdir()
    env = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    env |= {"HOME": str(home), "UNATTENDED_STATE_DIR": str(tmp_path / "state")}
    env["KUBECONFIG"] = str(bench.cluster.kubeconfig)
    return CommandLine(bench.workspace, env)


def here(bench: Bench) -> list[str]:
    """What has to be said in this cluster that has no DNS, from outside."""
    patch = '{"spec": {"template": {"spec": {"dnsPolicy": "Default"}}}}'
    return [
        *("--backend", "kubernetes", "--namespace", bench.namespace, "--cpus", "0.01"),
        *("--image-pull-policy", "IfNotPresent", "--patch", patch),
    ]


def test_the_quick_start(bench: Bench, command: CommandLine) -> None:
    backends = command("backends").stdout
    assert re.search(r"kubernetes\b.*Namespace default", backends, re.DOTALL), backends
    wanted = ["--image", bench.cluster.image, "--volume", f"pvc:{bench.claim}:{bench.workspace}"]
    done = command("submit", "train.ipynb", *here(bench), *wanted, "--wait", "--epochs", "30")
    assert done.returncode == 0, done
    job = done.stdout.split()[0]
    assert "epochs 30 1\n" in command("logs", job).stdout
    assert "succeeded" in command("list").stdout
    # Image and volumes are known the second time.
    again = command("submit", "train.ipynb", *here(bench), "--wait", "--epochs", "31")
    assert again.returncode == 0, again
    assert "epochs 31 1\n" in command("logs", again.stdout.split()[0]).stdout


def test_a_sweep_is_one_job(bench: Bench, command: CommandLine) -> None:
    wanted = ["--image", bench.cluster.image, "--volume", f"pvc:{bench.claim}:{bench.workspace}"]
    sweep = ["--sweep", "epochs=1,2,3", "--at-once", "2", "--wait"]
    done = command("submit", "train.ipynb", *here(bench), *wanted, *sweep)
    assert done.returncode == 0, done
    (job,) = bench.cluster.get("jobs", "-n", bench.namespace)["items"]
    assert (job["spec"]["completionMode"], job["spec"]["completions"]) == ("Indexed", 3)
    assert job["spec"]["parallelism"] == 2
    ids = [line for line in done.stdout.splitlines() if re.fullmatch(r"train-\S+", line)]
    assert len(ids) == 3, done
    logs = [command("logs", one).stdout for one in ids]
    assert [f"epochs {n} 1\n" in log for n, log in zip((1, 2, 3), logs, strict=True)] == [True] * 3


def test_every_command_of_the_page_renders(command: CommandLine) -> None:
    """Without a cluster and without any right, as the page says."""
    page = (REPOSITORY / "docs" / "kubernetes.md").read_text().replace("\\\n", " ")
    lines = re.findall(r"^jupyter unattended (?:submit|render) (.*)$", page, re.MULTILINE)
    assert len(lines) >= 4
    for line in lines:
        words = shlex.split(re.sub(r" (#|>)\s*\S.*$", "", line))
        if "--image" not in words:
            words[1:1] = ["--image", "i:1", "--volume", f"pvc:w:{command.cwd}"]
        else:
            words = [word.replace("/home/me", str(command.cwd)) for word in words]
        if "--queue" in words:
            words[1:1] = ["--queue-system", "kueue"]  # which asks the cluster otherwise
        done = command("render", *words, env={"KUBECONFIG": ""})
        assert done.returncode == 0, (line, done.stderr)
        assert yaml.safe_load(done.stdout)["kind"] == "Job"


def test_rendered_by_one_and_applied_by_another(bench: Bench, command: CommandLine) -> None:
    """Who may do nothing writes what somebody else applies; it runs, and its output is there."""
    wanted = ["--image", bench.cluster.image, "--volume", f"pvc:{bench.claim}:{bench.workspace}"]
    options = [*here(bench), *wanted, "--write"]
    done = command("render", "train.ipynb", *options, "--epochs", "7", env={"KUBECONFIG": ""})
    assert done.returncode == 0, done
    assert "train" not in command("list").stdout
    bench.cluster.kubectl("apply", "-f", "-", stdin=done.stdout)
    (directory,) = (bench.workspace / ".unattended" / ".rendered").iterdir()
    assert str(directory) in done.stderr
    log = directory / "attempts" / "1" / "log.txt"
    wait_until(lambda: log.exists() and "epochs 7 1\n" in log.read_text(), "it has run", 100)
    wait_until((directory / "output.ipynb").exists, "the executed notebook is there", 30)
