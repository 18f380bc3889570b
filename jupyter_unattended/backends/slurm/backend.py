"""Jobs under Slurm."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar

from ...errors import BackendError, SpecError, UnsupportedError
from ...spec import JobSpec, parse_duration
from ..base import Bundle, Capabilities, JobRef
from ..batch import script as batch_script
from ..batch.backend import BatchBackend, Order
from ..batch.commands import Commands, first_line
from ..batch.files import BatchFiles
from ..batch.observe import Seen
from ..batch.plan import Plan, clock, plan
from ..batch.profile import Profile
from ..batch.status import Rows
from . import reasons
from .options import SlurmOptions

_MARK = "#SBATCH"
#: squeue's fields with their widths; the last is what the rest is made of.
_FIELDS = (
    ("JobArrayID", 48), ("State", 24), ("Reason", 128), ("exit_code", 16), ("RestartCnt", 8),
    ("StartTime", 24), ("EndTime", 24), ("SubmitTime", 24), ("TimeLimit", 24), ("MinMemory", 16),
)  # fmt: skip
_PENDING = {"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"}
_RUNNING = {"RUNNING", "CONFIGURING", "COMPLETING", "SIGNALING", "STAGE_OUT", "RESIZING"}
_HELD = {"REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
_STARTING = {"CONFIGURING": "its node is being prepared"}
_ENDED_AS: dict[str, Any] = {
    "CANCELLED": "cancelled", "TIMEOUT": "time limit", "DEADLINE": "time limit",
    "OUT_OF_MEMORY": "memory", "NODE_FAIL": "node", "BOOT_FAIL": "node",
    "PREEMPTED": "preempted",
}  # fmt: skip


class SlurmBackend(BatchBackend):
    """Submits to the Slurm whose programs are here, or on the submit host."""

    name: ClassVar[str] = "slurm"
    title: ClassVar[str] = "Slurm cluster"
    scheduler: ClassVar[str] = "Slurm"
    programs: ClassVar[tuple[str, ...]] = ("sbatch", "squeue", "scontrol", "scancel")

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

    def order(self, bundle: Bundle) -> Order:
        """Plan the links and write the script."""
        spec = bundle.spec
        options = self.read_options(spec)
        assert isinstance(options, SlurmOptions)
        profile = self.profile
        own = [batch_script.bare(line, _MARK) for line in [*profile.extra, *options.extra]]
        if options.directives is not None:
            own += batch_script.directive_lines(options.directives, _MARK)
        planned = plan(spec, options, profile, asked=asked_time(own))
        text = batch_script.render(
            dialect=_dialect(planned),
            directives=[*_directives(bundle, options, profile, planned), *own],
            spec=spec,
            job_dir=bundle.paths.root,
            plan=planned,
            profile=profile,
            redirect=_plain_log(bundle) is None,
            secrets=self.secrets_file(bundle.job_id) if spec.secret_env else None,
        )
        return Order(spec, options, profile, planned, text)

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
            _MARK,
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
            if comment == f"unattended:{job_id}":
                self.delete([id_])

    # -- looking -----------------------------------------------------------------------------------

    def ask_status(self) -> Rows:
        """Ask squeue for all jobs of this user, also those that ended a short while ago."""
        form = ",".join(f"{name}:{width}|" for name, width in _FIELDS)
        listed = self.commands.ask(["squeue", "--me", "-h", "-r", "-t", "all", "-O", form])
        return [_row(line) for line in listed.splitlines() if line.count("|") >= len(_FIELDS)]

    def ask_accounting(self, ids: Sequence[str]) -> dict[str, Seen]:
        """Ask sacct, where there is one, in one call."""
        command = ["sacct", "-n", "-P", "-X", "-j", ",".join(ids)]
        try:
            done = self.commands.run([*command, "-o", "JobID,State,End,Timelimit,ReqMem"])
        except BackendError:
            return {}
        if done.returncode:
            return {}
        found = {}
        for line in done.stdout.splitlines():
            fields = line.split("|")
            if len(fields) < 5:
                continue
            state = fields[1].split()[0] if fields[1] else ""
            found[fields[0]] = Seen(
                fields[0],
                "ended",
                reasons.why_ended(state, fields[3], fields[4]),
                _time(fields[2]),
                _ENDED_AS.get(state, "unclear"),
            )
        return found

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


def _dialect(planned: Plan) -> batch_script.Dialect:
    functions = resources.files(__package__).joinpath("functions.sh").read_text(encoding="utf-8")
    return batch_script.Dialect(
        mark=_MARK,
        job_id="${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}\n"
        "scheduler_id=${scheduler_id:-$SLURM_JOB_ID}",
        functions=f"way={planned.way}  # how the next link follows\n\n{functions}",
        leave="exit",
    )


def _directives(
    bundle: Bundle, options: SlurmOptions, profile: Profile, planned: Plan
) -> list[str]:
    spec = bundle.spec
    queue, _ = profile.queue_of(options.queue)
    lines = [
        f"--job-name={batch_script.job_name(spec.name or spec.notebook.stem)}",
        f"--comment=unattended:{bundle.job_id}",
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


def _row(line: str) -> dict[str, Any]:
    """One line of squeue as `Seen` in plain data."""
    fields = [field.strip() for field in line.split("|")]
    id_, state, reason, code, _, starts, ended, submitted, limit, memory = fields[: len(_FIELDS)]
    if state in _PENDING:
        held = "held" in reason.lower() or state in _HELD
        return {
            "id": id_,
            "phase": "held" if held else "pending",
            "why": reasons.why_waiting(reason),
            "since": _time(submitted),
            "starts": _time(starts),
            "delayed": reason == "BeginTime",
        }
    if state in _RUNNING:
        why = _STARTING.get(state, "")
        return {"id": id_, "phase": "running", "why": why, "since": _time(starts)}
    if state == "SUSPENDED" or state == "STOPPED":
        return {"id": id_, "phase": "suspended", "why": "suspended by Slurm"}
    why = reasons.why_ended(state, _limit(limit), "" if memory == "0" else memory)
    if not why and code.isdecimal() and int(code) & 0x7F:
        why = _killed_by(int(code) & 0x7F)
    return {
        "id": id_,
        "phase": "ended",
        "why": why,
        "since": _time(ended),
        "ended_as": _ENDED_AS.get(state, "unclear"),
    }


def _killed_by(number: int) -> str:
    if number == 53:  # how slurmstepd says that it could not open the job's output
        return (
            "the node could not open scheduler.log: the job directory is not there or not writable"
        )
    return f"its script was killed by signal {number} from outside Slurm"


def _limit(text: str) -> str:
    found = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", text)
    if not found:
        return ""
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return clock(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def _time(text: str) -> float | None:
    return float(text) if text.isdecimal() and text != "0" else None


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
