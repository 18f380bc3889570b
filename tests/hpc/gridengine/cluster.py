"""A real Grid Engine on the loopback interface: sge_qmaster and sge_execd, with their own SGE_ROOT.

The installed cell of Debian's packages is neither read nor changed, and the ports are free ones,
so that several clusters can run at the same time.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from ..daemons import Person, free_ports, install, need_root, scratch, tails, wait_for, which

_LIB = Path("/usr/lib/gridengine")
_SHARE = Path("/usr/share/gridengine")

BOOTSTRAP = """\
Version: 6.2
admin_user sgeadmin
default_domain none
ignore_fqdn false
spooling_method berkeleydb
spooling_lib libspoolb
spooling_params {root}/spool
binary_path /usr/sbin
qmaster_spool_dir {root}/qmaster
security_mode none
listener_threads 2
worker_threads 2
scheduler_threads 1
"""

CONFIGURATION = {
    "execd_spool_dir": "{root}/execd",
    "min_uid": "0",
    "min_gid": "0",
    "shell_start_mode": "unix_behavior",
    "mailer": "/bin/true",
    # A job that is queued again waits until its node has reported that it cleaned up.
    "load_report_time": "00:00:01",
    "max_aj_instances": "2000",
    "enforce_user": "auto",
    "reporting_params": "accounting=true reporting=false flush_time=00:00:01 "
    "accounting_flush_time=00:00:00 joblog=false sharelog=00:00:00",
    "gid_range": "{gid}-{last_gid}",
}

SCHEDULER = {
    "schedule_interval": "0:0:1",
    "flush_submit_sec": "1",
    "flush_finish_sec": "1",
    "weight_priority": "1.0",
    # Between two jobs alone, a second of waiting would weigh more than all of -p.
    "weight_waiting_time": "0.0",
    "job_load_adjustments": "NONE",
    "schedd_job_info": "true",
    "max_reservation": "0",
}

COMPLEXES = """\
wide wide BOOL == FORCED NO 0 0
gpus gpus INT <= YES JOB 0 0
gpu_type gpu_t RESTRING == YES NO NONE 0
gpu_c gpu_c DOUBLE <= YES NO 0 0
gpu_memory gpu_m MEMORY <= YES NO 0 0
"""

QUEUE = {
    "hostlist": "@allhosts",
    "load_thresholds": "NONE",
    "suspend_thresholds": "NONE",
    "shell_start_mode": "unix_behavior",
    "notify": "00:00:20",
    "pe_list": "make omp",
    "rerun": "FALSE",
    "min_cpu_interval": "00:00:05",
}

PARALLEL_ENVIRONMENT = """\
pe_name omp
slots 999
user_lists NONE
xuser_lists NONE
start_proc_args NONE
stop_proc_args NONE
allocation_rule $pe_slots
control_slaves FALSE
job_is_first_task TRUE
urgency_slots min
accounting_summary FALSE
qsort_args NONE
"""


class GridEngineCluster:
    """The daemons and what tests do to them."""

    name = "gridengine"
    slots = 4
    #: The queue of jobs that name none.
    main = "all.q"
    #: A queue that runs many jobs at once, and what else to ask for to be let into it.
    wide = {"queue": "wide.q", "extra": ["-l wide=TRUE"]}  # noqa: RUF012

    def __init__(self, *, settings: Mapping[str, str] | None = None) -> None:
        need_root()
        install(
            ("sge_qmaster", "sge_execd", "qsub"),
            ("gridengine-master", "gridengine-exec", "gridengine-client"),
        )
        self.root = scratch("unattended-sge-")
        self.person = Person(self.root)
        qmaster_port, execd_port = free_ports(2)
        self.sge_root = self.root / "sge"
        self.env = {
            "SGE_ROOT": str(self.sge_root),
            "SGE_CELL": "default",
            "SGE_CLUSTER_NAME": "unattended",
            "SGE_QMASTER_PORT": str(qmaster_port),
            "SGE_EXECD_PORT": str(execd_port),
        }
        self._lay_out()
        self.start_qmaster()
        self._configure(settings or {})
        self.start_execd()
        wait_for(self._ready, 60, "sge_execd reported to sge_qmaster", 0.2)

    @property
    def user(self) -> str:
        """The ordinary user's name."""
        return self.person.name

    def _lay_out(self) -> None:
        common = self.sge_root / "default" / "common"
        common.mkdir(parents=True)
        (self.sge_root / "bin").mkdir()
        (self.sge_root / "lib").mkdir()
        (self.sge_root / "utilbin").mkdir()
        for kind in ("bin", "utilbin"):
            (self.sge_root / kind / "lx-amd64").symlink_to(_LIB)
        (self.sge_root / "util").symlink_to(_SHARE / "util")
        (common / "bootstrap").write_text(BOOTSTRAP.format(root=self.root))
        (common / "act_qmaster").write_text("localhost\n")
        (common / "host_aliases").write_text(f"localhost {os.uname().nodename}\n")
        for name in ("spool", "qmaster", "execd"):
            (self.root / name).mkdir()
        # berkeleydb's files must belong to the admin user, who makes them
        for command in (
            [_LIB / "spoolinit", "berkeleydb", "libspoolb", self.root / "spool", "init"],
            [_LIB / "spooldefaults", "configuration", _SHARE / "default-configuration"],
            [_LIB / "spooldefaults", "complexes", _SHARE / "util/resources/centry"],
            [_LIB / "spooldefaults", "usersets", _SHARE / "util/resources/usersets"],
            [_LIB / "spooldefaults", "managers", "sgeadmin"],
        ):
            self._run(command)
        owner = pwd.getpwnam("sgeadmin")
        for path in (
            self.root / "spool",
            self.root / "qmaster",
            self.root / "execd",
            self.sge_root,
        ):
            subprocess.run(["chown", "-R", f"{owner.pw_uid}:{owner.pw_gid}", path], check=True)

    def _run(self, command: list[object], stdin: str = "") -> str:
        done = subprocess.run(
            [str(part) for part in command],
            input=stdin,
            env={"PATH": os.environ["PATH"], **self.env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")
        return done.stdout

    def _qconf(self, option: str, text: str, *names: str) -> str:
        """Feed `text` to one of qconf's options that read a file."""
        path = self.root / "qconf.txt"
        path.write_text(text)
        return self._run(["qconf", option, path, *names])

    def _changed(self, current: str, changes: dict[str, str]) -> str:
        lines = []
        joined = current.replace("\\\n", " ")
        for line in joined.splitlines():
            key = line.split(None, 1)[0] if line.split() else ""
            lines.append(f"{key} {changes[key]}" if key in changes else line)
        return "\n".join(lines) + "\n"

    def _configure(self, settings: Mapping[str, str]) -> None:
        host = "localhost"
        worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
        gid = 61000 + 400 * int(worker.removeprefix("gw")) + (301 if settings else 0)
        last_gid = gid + (90 if settings else 300)
        values = {
            key: value.format(root=self.root, gid=gid, last_gid=last_gid)
            for key, value in {**CONFIGURATION, **settings}.items()
        }
        (self.root / "global").write_text(self._changed(self._run(["qconf", "-sconf"]), values))
        self._run(["qconf", "-Mconf", self.root / "global"])
        self._qconf("-Msconf", self._changed(self._run(["qconf", "-ssconf"]), SCHEDULER))
        self._run(["qconf", "-as", host])
        self._run(["qconf", "-ah", host])
        self._qconf("-Mc", self._run(["qconf", "-sc"]) + COMPLEXES)
        self._qconf(
            "-Ae",
            f"hostname {host}\nload_scaling NONE\n"
            f"complex_values gpus=2,gpu_type=A100,gpu_c=8.0,gpu_memory=80G\n"
            "user_lists NONE\nxuser_lists NONE\nprojects NONE\nxprojects NONE\n"
            "usage_scaling NONE\nreport_variables NONE\n",
        )
        self._qconf("-Ahgrp", f"group_name @allhosts\nhostlist {host}\n")
        self._qconf("-Ap", PARALLEL_ENVIRONMENT)
        template = self._run(["qconf", "-sq"])
        for name, extra in (
            ("all.q", {"slots": str(self.slots), "h_rt": "12:00:00"}),
            ("wide.q", {"slots": "32", "h_rt": "01:00:00", "complex_values": "wide=TRUE"}),
            ("short.q", {"slots": "4", "h_rt": "00:00:24", "complex_values": "wide=TRUE"}),
        ):
            self._qconf("-Aq", self._changed(template, {**QUEUE, "qname": name, **extra}))
        self._qconf("-Aprj", "name research\noticket 0\nfshare 0\nacl NONE\nxacl NONE\n")

    def _ready(self) -> bool:
        shown = self.client("qstat", "-f").stdout
        return "all.q@" in shown and " au" not in shown and "-NA-" not in shown

    def client(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run one of Grid Engine's own programs as root."""
        return subprocess.run(
            command,
            env={"PATH": os.environ["PATH"], **self.env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    # -- daemons: they detach by themselves, so the pid files tell who they are

    def start_qmaster(self) -> None:
        """Start sge_qmaster and wait until it answers."""
        self._detach("sge_qmaster")
        wait_for(
            lambda: (
                self.client("qconf", "-ss").returncode in (0, 1)
                and "unable to" not in self.client("qconf", "-sm").stderr
            ),
            30,
            "sge_qmaster answers",
        )

    def start_execd(self) -> None:
        """Start sge_execd."""
        self._detach("sge_execd")

    def _detach(self, program: str) -> None:
        subprocess.run(
            [which(program)],
            env={"PATH": os.environ["PATH"], **self.env},
            check=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _pid(self, program: str) -> int | None:
        """Process id of our own daemon: the right program with our SGE_ROOT in its environment."""
        wanted = f"SGE_ROOT={self.sge_root}".encode()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal():
                continue
            try:
                if (entry / "comm").read_text().strip() != program:
                    continue
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    return int(entry.name)
            except OSError:
                continue
        return None

    def _kill(self, program: str, sig: int) -> None:
        pid = self._pid(program)
        if pid is None:
            return
        os.kill(pid, sig)
        deadline = time.monotonic() + 15
        while Path(f"/proc/{pid}").exists():
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)

    def kill_qmaster(self) -> None:
        """SIGKILL to sge_qmaster."""
        self._kill("sge_qmaster", signal.SIGKILL)

    def cut_power(self, id_: str) -> None:
        """SIGKILL to sge_execd and to a job with all that watches it."""
        processes = self.processes(id_)
        stat = Path(f"/proc/{processes[0]}/stat").read_text()
        shepherd = int(stat.rpartition(")")[2].split()[1])
        self._kill("sge_execd", signal.SIGKILL)
        for pid in (shepherd, *processes):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def wait_until_saved(self) -> None:
        """Do nothing: sge_qmaster writes everything down at once."""

    kill_controller = kill_qmaster
    start_controller = start_qmaster

    def queue(self) -> list[str]:
        """Return the ids of all jobs that have not ended."""
        lines = self.client("qstat", "-u", "*").stdout.splitlines()[2:]
        return [line.split()[0] for line in lines]

    def shown(self, id_: str) -> str:
        """Return all that everybody may see of a job."""
        return self.client("qstat", "-j", id_).stdout + self.client("qacct", "-j", id_).stdout

    def suspend(self, id_: str) -> None:
        """SIGSTOP, as an administrator does."""
        self.client("qmod", "-sj", id_)

    def unsuspend(self, id_: str) -> None:
        """SIGCONT."""
        self.client("qmod", "-usj", id_)

    def delete_by_hand(self, id_: str) -> None:
        """What a person does who does not know of us."""
        self.client("qdel", id_)

    def hold_by_hand(self, id_: str) -> None:
        """What a person does who does not know of us."""
        self.client("qhold", id_)

    def release_by_hand(self, id_: str) -> None:
        """The same."""
        self.client("qrls", id_)

    def submit_by_hand(self, script: Path) -> None:
        """The same, without waiting for its end."""
        done = self.client("qsub", str(script))
        if done.returncode:
            raise RuntimeError(done.stderr)

    def script_pid(self, id_: str) -> int:
        """Return the process id of the batch script."""
        (found,) = self.root.glob(f"execd/*/active_jobs/{id_}.1/job_pid")
        return int(found.read_text())

    def processes(self, id_: str) -> list[int]:
        """Return the process ids of a running job: all that descend from its script."""
        children: dict[int, list[int]] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
        found = [self.script_pid(id_)]
        for pid in found:
            found += children.get(pid, [])
        return found

    def preempt(self, id_: str) -> None:
        """SIGTERM to the script, as a site's NOTIFY_KILL=TERM does."""
        os.kill(self.script_pid(id_), signal.SIGTERM)

    def submit_and_wait(self, script: Path, person: Person | None = None) -> None:
        """Submit a script by hand, as root or as a person."""
        command = ["qsub", "-sync", "y", str(script)]
        done = person.run(command, self.env) if person else self.client(*command)
        if done.returncode:
            raise RuntimeError(done.stderr)

    def clear(self) -> None:
        """Delete everything and wait until nothing runs."""
        self.client("qdel", "-u", "*")
        started = time.monotonic()

        def empty() -> bool:
            if time.monotonic() - started > 5:
                self.client("qdel", "-f", "-u", "*")
            return self.client("qstat", "-u", "*").stdout == ""

        wait_for(empty, 40, "the queue is empty", 0.3)

    def stop(self) -> None:
        """End the daemons and take everything away."""
        if self._pid("sge_qmaster") is not None:
            with contextlib.suppress(TimeoutError, subprocess.TimeoutExpired):
                self.clear()
        self._kill("sge_execd", signal.SIGTERM)
        self.kill_qmaster()  # told politely, it takes ten seconds to end, and all is deleted anyway
        self.person.remove()
        shutil.rmtree(self.root, ignore_errors=True)

    def log_tail(self) -> str:
        """Return the ends of the daemons' logs, for a failed test's report."""
        return tails((*self.root.glob("qmaster/messages"), *self.root.glob("execd/*/messages")))
