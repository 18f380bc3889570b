"""Jobs for the tests: a workspace that pods see, and job directories made without the service."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from jupyter_unattended.backends.base import Bundle, JobRef, Observation
from jupyter_unattended.backends.kubernetes import KubernetesBackend
from jupyter_unattended.bundle import startscript, writer
from jupyter_unattended.jobs import ids
from jupyter_unattended.jobs.states import State
from jupyter_unattended.runtime import travel
from jupyter_unattended.spec import JobSpec
from tests.cluster.harness import Kubernetes, wait_until
from tests.cluster.node import CGROUP

#: Runs until it is stopped, and says when it has begun.
ENDLESS = """
import time
print("begun", flush=True)
for second in range(600):
    time.sleep(0.1)
"""
#: Ignores being asked to stop.
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("begun", flush=True)
end = time.monotonic() + 100
while time.monotonic() < end:
    time.sleep(0.1)
"""
#: The first attempt runs until it is stopped, the second one ends.
TWICE = """
import os, time
print("begun", flush=True)
if os.environ["UNATTENDED_ATTEMPT"] == "1":
    time.sleep(100)
print("finished")
"""


class Bench:
    """A namespace with a workspace in it, and a backend that puts jobs there.

    Parameters
    ----------
    cluster
        The cluster.
    namespace
        The namespace.
    workspace
        A directory of this machine that the node has too.
    """

    claim = "workspace"

    def __init__(self, cluster: Kubernetes, namespace: str, workspace: Path) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.workspace = workspace
        self.backend = KubernetesBackend()
        self.make_claim(self.claim, workspace)

    def make_claim(self, name: str, directory: Path, mode: str = "ReadWriteMany") -> None:
        """Make a claim that is bound to a directory of this machine."""
        capacity = {"storage": "1Gi"}
        volume = f"{self.namespace}-{name}"
        self.cluster.create(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": volume, "labels": {"namespace": self.namespace}},
                "spec": {
                    "capacity": capacity,
                    "accessModes": [mode],
                    "storageClassName": "",
                    "hostPath": {"path": str(directory)},
                    "claimRef": {"name": name, "namespace": self.namespace},
                },
            },
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": name, "namespace": self.namespace},
                "spec": {
                    "accessModes": [mode],
                    "storageClassName": "",
                    "volumeName": volume,
                    "resources": {"requests": capacity},
                },
            },
        )

    def options(self) -> dict[str, Any]:
        """Return the options of every job."""
        return {
            "namespace": self.namespace,
            "volume": [f"pvc:{self.claim}:{self.workspace}"],
            "image_pull_policy": "IfNotPresent",
            # There is no DNS in the tests' cluster.
            "patch": {"spec": {"template": {"spec": {"dnsPolicy": "Default"}}}},
        }

    def spec(self, name: str = "test", **fields: Any) -> JobSpec:
        """Return a spec that runs in the tests' image with the workspace mounted."""
        options = {**self.options(), **fields.pop("options", {})}
        defaults = {"image": self.cluster.image, "cpus": 0.01, "grace_period": 5, "name": name}
        return JobSpec.checked(
            notebook=self.workspace / f"{name}.ipynb",
            workspace=self.workspace,
            backend="kubernetes",
            options=options,
            **{**defaults, **fields},
        )

    def bundle(self, *cells: str, **fields: Any) -> Bundle:
        """Write the job directory of a job that runs `cells`."""
        secrets = fields.pop("secrets", {})
        spec = self.spec(**fields)
        notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
        spec.notebook.write_text(nbformat.writes(notebook))
        content = writer.Contents(
            notebook=spec.notebook.read_bytes(),
            requirements="",
            start_script=startscript.render(
                notebook=spec.notebook.name,
                working_directory=str(self.workspace),
                python=None,
                arguments=spec.arguments,
                environment=spec.env,
                grace_period=spec.grace_period,
            ),
            record={"kernel": {"name": "python3", "language": "python", "runner": "ipython"}},
            history="",
            install=[travel.install],
        )
        draft = writer.begin(spec, lambda: ids.new(spec.name or "job"), content)
        draft.publish()
        return Bundle(spec, draft.paths, secrets)

    def submit(self, *cells: str, **fields: Any) -> JobRef:
        """Submit a job that runs `cells`."""
        bundle = self.bundle(*cells, **fields)
        return JobRef(bundle.job_id, self.backend.submit(bundle), bundle.paths)

    def look(self, job: JobRef) -> Observation | None:
        """Ask the backend about one job."""
        return self.backend.poll([job]).get(job.job_id)

    def wait(self, job: JobRef, *states: State, timeout: float = 60) -> Observation:
        """Wait until a job is in one of `states`; fails at once if it ends in another one."""
        seen: list[str] = []

        def there() -> Observation | None:
            now = self.look(job)
            assert now is not None, f"Kubernetes has no memory of {job.handle}"
            text = f"{now.state}: {now.reason}"
            if not seen or seen[-1] != text:
                seen.append(text)
            if now.state in states:
                return now
            assert not now.state.is_final, f"not {states} but {seen}\n{self.log(job)}"
            return None

        try:
            found = wait_until(there, f"{job.job_id} is {states}", timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}; seen: {seen}\n{self.log(job)}") from error
        assert found is not None
        return found

    def begin(self, *cells: str, **fields: Any) -> JobRef:
        """Submit a job and wait until its first cell says that it has begun."""
        job = self.submit(*(cells or (ENDLESS,)), **fields)
        self.wait(job, State.RUNNING)
        wait_until(lambda: "begun" in self.log(job), "the notebook has begun", 30)
        return job

    def log(self, job: JobRef, attempt: int | None = None) -> str:
        """Return the log of an attempt (default: the newest) as it is on the workspace."""
        attempts = job.paths.existing_attempts()
        if not attempts:
            return ""
        chosen = attempts[-1] if attempt is None else job.paths.attempt(attempt)
        return chosen.log.read_text()

    def pods(self, job: JobRef) -> list[dict[str, Any]]:
        """Return the pods of a job, oldest first."""
        name = job.handle.rpartition("/")[2]
        selector = f"batch.kubernetes.io/job-name={name}"
        items: list[dict[str, Any]] = self.cluster.get(
            "pods", "--namespace", self.namespace, "--selector", selector
        )["items"]
        return sorted(items, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def kill(self, pod: dict[str, Any]) -> None:
        """Kill everything in a pod's container with SIGKILL, as a kernel or a machine does."""
        if not self.cluster.is_ours:
            pytest.skip("KUBECONFIG names a cluster whose nodes' processes cannot be killed")
        (status,) = pod["status"]["containerStatuses"]
        container = status["containerID"].rpartition("/")[2]
        for file in Path("/sys/fs/cgroup").glob(f"**/{CGROUP}/**/{container}/cgroup.procs"):
            for pid in file.read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)

    def renew(self) -> None:
        """Go on with a backend that knows nothing of the cluster yet."""
        self.backend.close()
        self.backend = KubernetesBackend()

    def job(self, job: JobRef) -> dict[str, Any]:
        """Return the Job itself."""
        name = job.handle.rpartition("/")[2]
        found: dict[str, Any] = self.cluster.get("job", name, "--namespace", self.namespace)
        return found

    def journal(self, job: JobRef) -> list[dict[str, Any]]:
        """Return what the job wrote about itself."""
        return [json.loads(line) for line in job.paths.journal.read_text().splitlines()]

    def close(self) -> None:
        """Stop everything that still runs."""
        self.backend.close()
        self.cluster.kubectl(
            *("delete", "pods,jobs", "--all", "--namespace", self.namespace),
            *("--grace-period=0", "--force", "--wait=false"),
        )
        self.cluster.kubectl(
            *("delete", "persistentvolume", "--selector", f"namespace={self.namespace}"),
            "--wait=false",
        )
