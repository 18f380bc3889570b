"""Jobs under Slurm."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar

from ...errors import BackendError, BackendUnavailableError, SpecError, UnsupportedError
from ...spec import JobSpec, parse_duration
from ..base import Bundle, Capabilities, JobRef
from ..batch import script as batch_script
from ..batch.backend import BatchBackend
from ..batch.commands import Commands, first_line
from ..batch.files import BatchFiles
from ..batch.observe import Seen
from ..batch.options import BatchOptions
from ..batch.order import Order
from ..batch.plan import Plan
from ..batch.profile import Profile
from ..batch.status import Rows
from . import listing
from .options import SlurmOptions
from .propose import partitions, seconds


class SlurmBackend(BatchBackend):
    """Submits to the Slurm whose programs are here, or on the submit host."""

    name: ClassVar[str] = "slurm"
    title: ClassVar[str] = "Slurm cluster"
    scheduler: ClassVar[str] = "Slurm"
    programs: ClassVar[tuple[str, ...]] = ("sbatch", "squeue", "scontrol", "scancel")
    greeting: ClassVar[tuple[str, ...]] = ("scontrol", "ping")
    mark: ClassVar[str] = "#SBATCH"

    def options_model(self) -> type[SlurmOptions]:
        """Return the model of ``spec.options``."""
        return SlurmOptions

    def make_commands(self, profile: Profile) -> Commands:
        """Run Slurm's programs without what a surrounding job left in the environment."""
        return Commands(
            self.scheduler,
            self.state_dir,
            profile.submit_host,
            unset=("SLURM_*", "SBATCH_*", "SQUEUE_*", "SCANCEL_*", "SACCT_*"),
            keep=("SLURM_CONF", "SLURM_CLUSTERS"),
            env={"SLURM_TIME_FORMAT": "%s"},
        )

    def propose_profile(self) -> str:
        """Return a site profile made from what Slurm itself tells."""
        from .propose import propose

        return propose(self.commands)

    def capabilities(self) -> Capabilities:
        """Return what Slurm can do."""
        return Capabilities(
            move="Slurm orders its queue by priority; change the priority instead.",
            image=None,
        )

    # -- submitting --------------------------------------------------------------------------------

    def dialect(self, planned: Plan) -> batch_script.Dialect:
        """Return what Slurm's scripts say in their own way."""
        functions = resources.files(__package__).joinpath("functions.sh").read_text("utf-8")
        return batch_script.Dialect(
            mark=self.mark,
            job_id="${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}\n"
            "scheduler_id=${scheduler_id:-$SLURM_JOB_ID}",
            functions=f"way={planned.way}  # how the next link follows\n\n{functions}",
            leave="exit",
        )

    def directives(
        self, bundle: Bundle, options: BatchOptions, profile: Profile, planned: Plan
    ) -> list[str]:
        """Return sbatch's options."""
        assert isinstance(options, SlurmOptions)
        return _directives(bundle, options, profile, planned)

    def asked_time(self, directives: Sequence[str]) -> float | None:
        """Return the time limit that stands in a person's own directives."""
        return asked_time(directives)

    def log_directive(self, bundle: Bundle) -> str | None:
        """Return the path of scheduler.log as sbatch reads it."""
        return _plain_log(bundle)

    def ask_limit(self, queue: str | None) -> float | None:
        """Return MaxTime of a partition, or of the default one."""
        for fields in partitions(self.commands.ask(["scontrol", "show", "partition", "-o"])):
            if fields.get("PartitionName") == queue or (
                queue is None and fields.get("Default") == "YES"
            ):
                return seconds(fields.get("MaxTime", ""))
        return None

    def submit_script(
        self, script: Path, order: Order, after: str | None = None, hold: bool = False
    ) -> str:
        """Hand a script to sbatch."""
        command = ["sbatch", "--parsable"]
        if hold:
            command.append("--hold")
        if after is not None:
            command += [f"--dependency=afterany:{after}", "--kill-on-invalid-dep=yes"]
        try:
            said = self.commands.ask([*command, str(script)])
        except BackendError as error:
            if "does not answer" in str(error) or "timed out" in str(error):
                self._withdraw(script.parent.parent.name)
            raise BackendError(_explain_refusal(str(error), order.options)) from error
        return said.strip().splitlines()[-1].split(";")[0]

    def array_script(self, bundle: Bundle, order: Order, home: Path, count: int) -> str:
        """Return a script of which task n runs ``home/n/batch/job.sh``."""
        limit = f"%{order.options.at_once}" if order.options.at_once else ""
        pattern = str(home).replace("%", "%%")
        output = "/dev/null" if "\\" in pattern else quoted(f"{pattern}/%a/scheduler.log")
        return batch_script.array(
            order.script,
            self.mark,
            [f"--array=1-{count}{limit}", f"--output={output}"],
            home,
            "$SLURM_ARRAY_TASK_ID",
        )

    def task_id(self, number: str, task: int) -> str:
        """Return the id of one task of an array."""
        return f"{number}_{task}"

    def _withdraw(self, job_id: str) -> None:
        """Take back a job of which nobody knows whether Slurm got it."""
        try:
            listed = self.commands.ask(["squeue", "--me", "-h", "-o", "%i|%k"])
        except BackendError:
            return
        for line in listed.splitlines():
            id_, _, comment = line.partition("|")
            if comment == f"{listing.COMMENT}{job_id}":
                self.delete([id_])

    # -- looking -----------------------------------------------------------------------------------

    def ask_status(self) -> Rows:
        """Ask squeue for all jobs of this user, also those that ended a short while ago."""
        command = ["squeue", "--me", "-h", "-r", "-t", "all", "-O", listing.FORMAT]
        return listing.parse_jobs(self.commands.ask(command))

    def ask_accounting(self, ids: Sequence[str]) -> dict[str, Seen]:
        """Ask sacct: its database, else the file of completed jobs, where there is one."""
        for source in (["-X"], ["-c"]):
            command = ["sacct", *source, "-n", "-P", "-j", ",".join(ids)]
            try:
                done = self.commands.run([*command, "-o", listing.ACCOUNTING])
            except (BackendError, BackendUnavailableError):
                return {}
            if done.returncode == 0:
                return listing.parse_accounting(done.stdout)
        return {}

    # -- steering ----------------------------------------------------------------------------------

    def delete(self, ids: Sequence[str]) -> None:
        """Cancel jobs; those that are gone are no error."""
        if ids:
            self.commands.ask(["scancel", "--quiet", *ids])

    def stop_running(self, id_: str, cancel: bool) -> None:
        """Wake the script; it stops its notebook and cancels or holds the job itself."""
        done = self.commands.run(["scancel", "--batch", "--signal=USR2", id_])
        if done.returncode and cancel:
            self.delete([id_])

    def hold(self, ids: Sequence[str]) -> None:
        """Keep pending jobs from starting."""
        if ids:
            self.commands.ask(["scontrol", "uhold", ",".join(ids)])

    def release(self, ids: Sequence[str]) -> None:
        """Let held jobs start."""
        self.commands.ask(["scontrol", "release", ",".join(ids)])

    def set_priority(self, job: JobRef, priority: int) -> None:
        """Change the nice value; to raise a job above others needs rights or ``scontrol top``."""
        entries = self._entries(job)
        ids = [entry.id for entry in entries if entry.phase != "ended"]
        for id_ in ids:
            done = self.commands.run(["scontrol", "update", f"JobId={id_}", f"Nice={-priority}"])
            if done.returncode == 0:
                continue
            if priority > 0 and self.commands.run(["scontrol", "top", id_]).returncode == 0:
                continue
            raise UnsupportedError(
                f"Slurm would not change the priority: {first_line(done.stderr)}. Ordinary users "
                "can only lower it (a negative priority), unless the site allows scontrol top."
            )
        self.status.forget()


def _directives(
    bundle: Bundle, options: SlurmOptions, profile: Profile, planned: Plan
) -> list[str]:
    spec = bundle.spec
    queue, _ = profile.queue_of(options.queue)
    lines = [
        f"--job-name={batch_script.job_name(spec.name or spec.notebook.stem)}",
        f"--comment={listing.COMMENT}{bundle.job_id}",
        f"--output={_plain_log(bundle) or '/dev/null'}",
        "--open-mode=append",
        f"--export={','.join(profile.export) or 'NONE'}",
        "--nodes=1",
        "--ntasks=1",
        f"--cpus-per-task={math.ceil(spec.cpus)}",
        "--requeue",
        f"--signal=B:USR1@{planned.warning}",
    ]
    if planned.link is not None:
        lines.append(f"--time={_minutes(planned.link)}")
    if spec.memory is not None:
        lines.append(f"--mem={math.ceil(spec.memory / 2**20)}M")
    if spec.gpus:
        lines.append(_gpus(spec, options, profile))
    if spec.priority:
        lines.append(f"--nice={-spec.priority}")
    if options.hold:
        lines.append("--hold")
    for option, value in (
        ("account", options.project or profile.project),
        ("partition", queue),
        ("qos", options.qos),
        ("constraint", options.constraint),
        ("reservation", options.reservation),
        ("mail-user", options.mail),
        ("mail-type", "END,FAIL,REQUEUE" if options.mail else None),
    ):
        if value:
            lines.append(f"--{option}={quoted(value)}")
    return lines


def _plain_log(bundle: Bundle) -> str | None:
    """Return the path of the scheduler's log as a directive, or None where it cannot be one."""
    path = str(BatchFiles.of(bundle.paths).scheduler_log)
    return None if "\\" in path else quoted(path.replace("%", "%%"))


def _gpus(spec: JobSpec, options: SlurmOptions, profile: Profile) -> str:
    way = profile.gpu_option or "gres"
    count = f"{options.gpu_type}:{spec.gpus}" if options.gpu_type else str(spec.gpus)
    if way == "gres":
        return f"--gres={quoted(f'gpu:{count}')}"
    if way in ("gpus", "gpus-per-node"):
        return f"--{way}={quoted(count)}"
    raise SpecError(f"site profile: gpu_option {way!r} is none of gres, gpus, gpus-per-node")


def quoted(value: str) -> str:
    """Return a value so that sbatch reads it back from a directive as it is."""
    if re.fullmatch(r"[\w@%+=:,./&|*()\[\]-]+", value, re.ASCII):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _minutes(seconds: int) -> str:
    """Slurm's time limits are minutes; the script itself sees to the seconds."""
    minutes = max(1, math.ceil(seconds / 60))
    days, rest = divmod(minutes, 1440)
    return (
        f"{days}-{rest // 60:02}:{rest % 60:02}:00"
        if days
        else f"{rest // 60:02}:{rest % 60:02}:00"
    )


def asked_time(directives: Sequence[str]) -> float | None:
    """Return the time limit that stands in a person's own directives."""
    for line in reversed(directives):
        found = re.search(r"(?:^|\s)(?:--time[=\s]|-t\s*)\"?([\d:-]+)", line)
        if found:
            text = found[1]
            if text.isdecimal():  # Slurm's bare numbers are minutes
                return float(text) * 60
            days = re.fullmatch(r"(\d+)-(\d+)(?::(\d+))?", text)
            if days:
                return int(days[1]) * 86400 + int(days[2]) * 3600 + int(days[3] or 0) * 60
            parsed = parse_duration(text)
            return parsed if isinstance(parsed, float) else None
    return None


def _explain_refusal(said: str, options: Any) -> str:
    """Add what to do to sbatch's own words, which often name the field but not the remedy."""
    hints = (
        ("Invalid account", "project"),
        ("invalid partition", "queue"),
        ("Invalid qos", "qos"),
        ("Invalid generic resource", "gpu-type, gpus"),
        ("Requested node configuration is not available", "gpus, cpus, memory, constraint"),
        ("Requested time limit", "link-time"),
        ("Invalid feature", "constraint"),
        ("reservation", "reservation"),
    )
    for words, option in hints:
        if words.lower() in said.lower():
            return f"{said.rstrip('.')} [{option}]."
    return said
