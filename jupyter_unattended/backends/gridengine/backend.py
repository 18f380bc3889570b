"""Jobs under Grid Engine (Son of Grid Engine, Univa, Open Grid Scheduler)."""

from __future__ import annotations

import getpass
import math
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import ClassVar

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
from . import accounting, reasons
from .options import GridEngineOptions

#: qacct reads the whole accounting file for each question: ask about so many jobs at a time.
_ACCOUNTING_AT_ONCE = 20
#: Of so many waiting jobs it is asked why they wait.
_EXPLAINED_AT_ONCE = 20


class GridEngineBackend(BatchBackend):
    """Submits to the Grid Engine whose programs are here, or on the submit host."""

    name: ClassVar[str] = "gridengine"
    title: ClassVar[str] = "Grid Engine cluster"
    scheduler: ClassVar[str] = "Grid Engine"
    programs: ClassVar[tuple[str, ...]] = ("qsub", "qstat", "qdel", "qalter")
    greeting: ClassVar[tuple[str, ...]] = ("qconf", "-sss")
    mark: ClassVar[str] = "#$"

    def options_model(self) -> type[GridEngineOptions]:
        """Return the model of ``spec.options``."""
        return GridEngineOptions

    def make_commands(self, profile: Profile) -> Commands:
        """Run Grid Engine's programs."""
        return Commands(self.scheduler, self.state_dir, profile.submit_host)

    def propose_profile(self) -> str:
        """Return a site profile made from what Grid Engine itself tells."""
        from .propose import propose

        return propose(self.commands)

    def capabilities(self) -> Capabilities:
        """Return what Grid Engine can do."""
        return Capabilities(
            move="Grid Engine orders its queue by priority; change the priority instead.",
            memory=None
            if self.profile.memory_option
            else "the site profile does not name Grid Engine's resource for memory "
            "(memory_option, e.g. h_vmem)",
        )

    # -- submitting --------------------------------------------------------------------------------

    def dialect(self, planned: Plan) -> batch_script.Dialect:
        """Return what Grid Engine's scripts say in their own way."""
        functions = resources.files(__package__).joinpath("functions.sh").read_text("utf-8")
        return batch_script.Dialect(
            mark=self.mark,
            job_id="$JOB_ID\n"
            '[[ ${SGE_TASK_ID:-undefined} == undefined ]] || scheduler_id+=".$SGE_TASK_ID"',
            functions=f"way={planned.way}  # how the next link follows\n\n{functions}",
            leave="leave $?",
        )

    def directives(
        self, bundle: Bundle, options: BatchOptions, profile: Profile, planned: Plan
    ) -> list[str]:
        """Return qsub's options."""
        assert isinstance(options, GridEngineOptions)
        return _directives(bundle, options, profile, planned)

    def asked_time(self, directives: Sequence[str]) -> float | None:
        """Return the time limit that stands in a person's own directives."""
        return asked_time(directives)

    def log_directive(self, bundle: Bundle) -> str | None:
        """Return the path of scheduler.log as qsub reads it."""
        return _plain_log(bundle)

    def ask_limit(self, queue: str | None) -> float | None:
        """Return h_rt of a queue, or the longest of all; None where one of them has none."""
        shown = self.commands.ask(["qconf", "-sq", queue or "*"])
        limits = [_limit(found) for found in re.findall(r"^h_rt\s+([^\s,]+)", shown, re.MULTILINE)]
        known = [limit for limit in limits if limit is not None]
        return max(known) if known and len(known) == len(limits) else None

    def submit_script(
        self, script: Path, order: Order, after: str | None = None, hold: bool = False
    ) -> str:
        """Hand a script to qsub."""
        verify = ["-w", "e"] if order.profile.verify else []
        when = ["-hold_jid", after] if after is not None else []
        if hold:
            when.append("-h")
        done = self.commands.run(["qsub", "-terse", *verify, *when, str(script)])
        found = re.search(r"^(\d+)(?:\.\S+)?$", done.stdout, re.MULTILINE)
        if done.returncode == 0 and found:
            return found[1]
        said = _refusal(done.stderr or done.stdout)
        if "no suitable queues" in said:
            checked = self.commands.run(["qsub", "-w", "v", str(script)])
            said = _refusal(checked.stderr + checked.stdout) or said
        raise BackendError(f"Grid Engine said to qsub: {said.rstrip('.')}.")

    def array_script(self, bundle: Bundle, order: Order, home: Path, count: int) -> str:
        """Return a script of which task n runs ``home/n/batch/job.sh``."""
        lines = [f"-t 1-{count}"]
        if order.options.at_once:
            lines.append(f"-tc {order.options.at_once}")
        if _plain_log(bundle) is not None:
            lines.append(f"-o {home}/$TASK_ID/scheduler.log")
        return batch_script.array(order.script, self.mark, lines, home, "$SGE_TASK_ID")

    def task_id(self, number: str, task: int) -> str:
        """Return the id of one task of an array."""
        return f"{number}.{task}"

    # -- looking -----------------------------------------------------------------------------------

    def ask_status(self) -> Rows:
        """Ask qstat for all jobs of this user, then why those wait that do."""
        listed = self.commands.ask(["qstat", "-xml", "-u", self._user()])
        rows = accounting.parse_jobs(listed)
        puzzling = [row for row in rows if "E" in row["letters"]]
        puzzling += [row for row in rows if "q" in row["letters"] and row not in puzzling]
        said: dict[str, list[str]] = {}
        if puzzling:
            numbers = dict.fromkeys(row["id"].split(".")[0] for row in puzzling)
            asked = ",".join(list(numbers)[:_EXPLAINED_AT_ONCE])
            details = self.commands.run(["qstat", "-xml", "-j", asked])
            if details.returncode == 0:
                said = accounting.parse_details(details.stdout)
        everywhere = said.get("", [])
        return [
            reasons.standing(row, [*said.get(row["id"].split(".")[0], []), *everywhere])
            for row in rows
        ]

    def ask_accounting(self, ids: Sequence[str]) -> dict[str, Seen]:
        """Ask qacct, as long as it answers quickly."""
        found: dict[str, Seen] = {}
        for id_ in ids[:_ACCOUNTING_AT_ONCE]:
            number, _, task = id_.partition(".")
            try:
                done = self.commands.run(["qacct", "-j", number, *(["-t", task] if task else [])])
            except (BackendError, BackendUnavailableError):
                break
            if done.returncode == 0:
                found.update(accounting.parse_accounting(done.stdout))
        return found

    # -- steering ----------------------------------------------------------------------------------

    def delete(self, ids: Sequence[str]) -> None:
        """Delete jobs; those that are gone are no error."""
        for words in _targets(ids):
            done = self.commands.run(["qdel", *words])
            said = _refusal(done.stderr + done.stdout)
            if done.returncode and "does not exist" not in said:
                raise BackendError(f"Grid Engine said to qdel: {said.rstrip('.')}.")

    def stop_running(self, id_: str, cancel: bool) -> None:
        """Let the script stop its notebook: it looks every second at what is asked of it.

        A pause puts a hold on the job, so that it waits when the script has it queued again. A
        cancel also deletes it, which gives it the queue's notify time and no more.
        """
        if cancel:
            self.delete([id_])
        else:
            self.hold([id_])

    def hold(self, ids: Sequence[str]) -> None:
        """Put a user hold on jobs."""
        for words in _targets(ids):
            self.commands.ask(["qalter", "-h", "u", *words])

    def release(self, ids: Sequence[str]) -> None:
        """Take the hold away, and the error state of those that could not be started."""
        self.commands.run(["qmod", "-cj", *ids])
        for words in _targets(ids):
            self.commands.ask(["qalter", "-h", "U", *words])

    def set_priority(self, job: JobRef, priority: int) -> None:
        """Change the priority; only operators may raise it above 0."""
        ids = [entry.id for entry in self._entries(job) if entry.phase != "ended"]
        for id_ in ids:
            done = self.commands.run(["qalter", "-p", str(priority), id_])
            if done.returncode:
                raise UnsupportedError(
                    f"Grid Engine would not change the priority: "
                    f"{_refusal(done.stderr + done.stdout)}. Ordinary users can only lower it (a "
                    "negative priority)."
                )
        self.status.forget()

    def _user(self) -> str:
        # The user on the submit host may have another name; there, qstat's default is right.
        return getpass.getuser() if self.profile.submit_host is None else "*"


def _directives(
    bundle: Bundle, options: GridEngineOptions, profile: Profile, planned: Plan
) -> list[str]:
    spec = bundle.spec
    queue, _ = profile.queue_of(options.queue)
    lines = [
        f"-N {batch_script.job_name(spec.name or spec.notebook.stem)}",
        f"-ac unattended={bundle.job_id}",
        f"-o {_plain_log(bundle) or '/dev/null'}",
        "-j y",
        "-S /bin/bash",
        "-notify",
        "-r y",
    ]
    if profile.export:
        lines.append(f"-v {','.join(profile.export)}")
    if planned.link is not None:
        lines.append(f"-l h_rt={planned.link}")
    slots = math.ceil(spec.cpus)
    if slots > 1:
        environment = options.parallel_environment or profile.parallel_environment or "omp"
        lines.append(f"-pe {_word('parallel-environment', environment)} {slots}")
    lines += _resources(spec, options, profile, slots)
    if spec.priority:
        lines.append(f"-p {max(-1023, min(1024, spec.priority))}")
    if options.hold:
        lines.append("-h")
    for field, flag, value in (
        ("project", "-P", options.project or profile.project),
        ("queue", "-q", queue),
        ("reservation", "-ar", options.reservation),
        ("mail", "-m ea -M", options.mail),
    ):
        if value:
            lines.append(f"{flag} {_word(field, value)}")
    return lines


def _resources(
    spec: JobSpec, options: GridEngineOptions, profile: Profile, slots: int
) -> list[str]:
    lines = []
    if spec.gpus:
        count = spec.gpus / slots if profile.gpus_per_slot else spec.gpus
        lines.append(f"-l {profile.gpu_option or 'gpus'}={count:g}")
        if options.gpu_type:
            value = _word("gpu-type", options.gpu_type)
            lines.append(f"-l {profile.gpu_type_option}={value}")
        if options.gpu_capability:
            lines.append(f"-l {profile.gpu_capability_option}={options.gpu_capability:g}")
        if options.gpu_memory:
            lines.append(f"-l {profile.gpu_memory_option}={_size(options.gpu_memory)}")
    if spec.memory is not None:
        if not profile.memory_option:
            raise SpecError(
                "memory: the site profile does not name Grid Engine's resource for memory; set "
                'memory_option there, e.g. memory_option = "h_vmem"'
            )
        lines.append(f"-l {profile.memory_option}={_size(math.ceil(spec.memory / slots))}")
    return lines


def _size(amount: int) -> str:
    """Return bytes as Grid Engine writes them: capital letters are powers of 1024."""
    for unit, factor in (("G", 2**30), ("M", 2**20), ("K", 2**10)):
        if amount % factor == 0:
            return f"{amount // factor}{unit}"
    return f"{math.ceil(amount / 2**20)}M"


def _word(field: str, value: str) -> str:
    """Return a value that must be one word in a directive."""
    if not re.fullmatch(r"[\w@%+=:./*?|&!()\[\]<>~,-]+", value):
        raise SpecError(f"{field}: {value!r} is not one word as Grid Engine's directives want it")
    return value


def _plain_log(bundle: Bundle) -> str | None:
    """Return the path of the scheduler's log if a directive can hold it."""
    path = str(BatchFiles.of(bundle.paths).scheduler_log)
    return path if re.fullmatch(r"[A-Za-z0-9_./+=@-]+", path) else None


def asked_time(directives: Sequence[str]) -> float | None:
    """Return the time limit that stands in a person's own directives."""
    for line in reversed(directives):
        found = re.search(r"\bh_rt=([\d:]+)", line)
        if found:
            return _limit(found[1])
    return None


def _limit(text: str) -> float | None:
    """Return a time as Grid Engine writes it in seconds; None for INFINITY."""
    try:
        parsed = parse_duration(text)
    except ValueError:
        return None
    return parsed if isinstance(parsed, float) else None


def _refusal(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip() and line.strip() != "Exiting."]
    text = first_line("\n".join(lines))
    text = text.removeprefix("Unable to run job: ").removeprefix("error: ")
    return re.sub(r"^Job was rejected because ", "", text)


def _targets(ids: Sequence[str]) -> list[list[str]]:
    """Return the words that name jobs, for as few calls as can be: an array's task wants its own.

    ``-t`` is said of all jobs of a command line.
    """
    whole = [id_ for id_ in ids if "." not in id_]
    tasks = [id_.partition(".") for id_ in ids if "." in id_]
    return ([whole] if whole else []) + [[number, "-t", task] for number, _, task in tasks]
