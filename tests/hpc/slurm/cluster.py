"""A real Slurm on the loopback interface: munged, slurmctld, slurmd.

Everything lies in one directory under /tmp, all ports are free ones, and nothing of an installed
Slurm's configuration is read or changed, so that several clusters can run at the same time.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Literal

from ..daemons import (
    Daemon,
    Person,
    end_processes_with,
    free_ports,
    install,
    need_root,
    scratch,
    tails,
    wait_for,
    which,
)
from .database import Database

CONF = """\
ClusterName=unattended
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={root}/munge.socket,cred_expire=5
SlurmctldPort={controller_port}
SlurmdPort={node_port}
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
{keeps}
SelectType=select/cons_tres
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=0,enable_user_top
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE,GANG
ReturnToService=2
KillWait=5
MinJobAge={min_job_age}
MaxArraySize=1001
MaxJobCount=5000
MpiDefault=none
SlurmctldTimeout=30
SlurmdTimeout=30
MessageTimeout=10
EnforcePartLimits=ALL
DisableRootJobs=NO
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName={host} NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=64000 \
Gres=gpu:a100:2 Feature=a100,avx2 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES PriorityTier=10 MaxTime=12:00:00 \
DefaultTime=01:00:00 PreemptMode=off
PartitionName=low Nodes={host} PriorityTier=1 MaxTime=1-00:00:00 PreemptMode=requeue GraceTime=0
PartitionName=high Nodes={host} PriorityTier=100 MaxTime=01:00:00 PreemptMode=off
PartitionName=wide Nodes={host} PriorityTier=10 MaxTime=01:00:00 PreemptMode=off \
OverSubscribe=FORCE:8
PartitionName=gpu Nodes={host} PriorityTier=10 MaxTime=12:00:00 PreemptMode=off
PartitionName=closed Nodes={host} AllowGroups=nobodyatall MaxTime=01:00:00
"""

#: Where the cluster keeps how jobs ended.
Keeps = Literal["database", "file", "nothing"]
WITHOUT_DATABASE = """\
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectTypeParameters=CR_CPU
PriorityType=priority/multifactor
PriorityWeightAge=0
PriorityWeightPartition=1000
"""
KEEPS = {
    "file": WITHOUT_DATABASE + "JobCompType=jobcomp/filetxt\nJobCompLoc={root}/jobcomp.txt",
    "nothing": WITHOUT_DATABASE + "JobCompType=jobcomp/none",
}


class SlurmCluster:
    """The daemons and what tests do to them."""

    name = "slurm"
    slots = 4
    #: The queue of jobs that name none.
    main = "main"
    #: A queue that runs many jobs at once, and what else to ask for to be let into it.
    wide = {"queue": "wide"}  # noqa: RUF012

    def __init__(self, *, min_job_age: int = 3600, keeps: Keeps = "file") -> None:
        need_root()
        install(("munged", "slurmctld", "slurmd", "sbatch"), ("munge", "slurm-wlm"))
        self.root = scratch("unattended-slurm-")
        self.host = socket.gethostname().split(".")[0]
        self.person = Person(self.root)
        controller_port, node_port = free_ports(2)
        self.conf = self.root / "slurm.conf"
        self.env = {"SLURM_CONF": str(self.conf)}
        self._set_up_munge()
        self.munged = self._munged()
        self.database = Database(self.root) if keeps == "database" else None
        self.conf.write_text(
            CONF.format(
                root=self.root,
                host=self.host,
                cpus=self.slots,
                min_job_age=min_job_age,
                keeps=self.database.settings
                if self.database
                else KEEPS[keeps].format(root=self.root),
                controller_port=controller_port,
                node_port=node_port,
            )
        )
        (self.root / "gres.conf").write_text("Name=gpu Type=a100 File=/dev/tty[0-1]\n")
        for name in ("state", "spool"):
            (self.root / name).mkdir()
        if self.database is not None:
            self.database.start(self.env)
        self.controller = self._controller()
        self.node = self._node()
        wait_for(self._idle, 30, "slurmd registered with slurmctld")

    def _set_up_munge(self) -> None:
        key = self.root / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)

    def _munged(self) -> Daemon:
        root = self.root
        daemon = Daemon(
            [
                which("munged"),
                "--foreground",
                "--force",
                f"--socket={root}/munge.socket",
                f"--key-file={root}/munge.key",
                f"--pid-file={root}/munged.pid",
                f"--log-file={root}/munged.log",
                f"--seed-file={root}/munged.seed",
            ],
            root / "munged.out",
        )
        wait_for((root / "munge.socket").exists, 10, "munged's socket")
        return daemon

    def _controller(self) -> Daemon:
        return Daemon([which("slurmctld"), "-D"], self.root / "slurmctld.out", self.env)

    def _node(self) -> Daemon:
        return Daemon([which("slurmd"), "-D", "-N", self.host], self.root / "slurmd.out", self.env)

    def _idle(self) -> bool:
        if not (self.munged.alive and self.controller.alive and self.node.alive):
            raise RuntimeError(f"a daemon ended; see its log in {self.root}")
        return "idle" in self.client("sinfo", "-h", "-o", "%T").stdout

    def client(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run one of Slurm's own programs as root."""
        return subprocess.run(
            command,
            env={"PATH": os.environ["PATH"], **self.env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def kill_controller(self) -> None:
        """SIGKILL to slurmctld."""
        self.controller.kill()

    def wait_until_saved(self) -> None:
        """Wait until slurmctld has written down what is the case now: it does so now and then."""
        now = time.time()
        saved = self.root / "state" / "job_state"
        wait_for(lambda: saved.exists() and saved.stat().st_mtime > now + 0.5, 30, "state saved")

    def start_controller(self) -> None:
        """Start slurmctld again and wait until it answers."""
        self.controller = self._controller()
        wait_for(
            lambda: self.client("scontrol", "ping").returncode == 0, 30, "slurmctld answers again"
        )

    def kill_node(self) -> None:
        """SIGKILL to slurmd; its jobs' own processes stay, as when only the daemon dies."""
        self.node.kill()

    def start_node(self) -> None:
        """Start slurmd again."""
        self.node = self._node()

    def queue(self) -> list[str]:
        """Return the ids of all jobs that have not ended."""
        return self.client("squeue", "-h", "-r", "-o", "%i").stdout.split()

    def shown(self, id_: str) -> str:
        """Return all that everybody may see of a job."""
        return self.client("scontrol", "show", "job", id_).stdout

    def suspend(self, id_: str) -> None:
        """SIGSTOP, as an administrator does."""
        self.client("scontrol", "suspend", id_)

    def unsuspend(self, id_: str) -> None:
        """SIGCONT."""
        self.client("scontrol", "resume", id_)

    def delete_by_hand(self, id_: str) -> None:
        """What a person does who does not know of us."""
        self.client("scancel", id_)

    def hold_by_hand(self, id_: str) -> None:
        """What a person does who does not know of us."""
        self.client("scontrol", "uhold", id_)

    def release_by_hand(self, id_: str) -> None:
        """The same."""
        self.client("scontrol", "release", id_)

    def submit_by_hand(self, script: Path) -> None:
        """The same, without waiting for its end."""
        done = self.client("sbatch", str(script))
        if done.returncode:
            raise RuntimeError(done.stderr)

    def script_pid(self, id_: str) -> int:
        """Return the process id of the batch script."""
        return min(self.processes(id_))

    def processes(self, id_: str) -> list[int]:
        """Return the process ids of a running job."""
        listed = self.client("scontrol", "listpids", id_).stdout.splitlines()[1:]
        return [int(line.split()[0]) for line in listed]

    def preempt(self, id_: str) -> None:
        """SIGTERM, a while, SIGKILL, and back into the queue."""
        self.client("scontrol", "requeue", id_)

    def submit_and_wait(self, script: Path, person: Person | None = None) -> None:
        """Submit a script by hand, as root or as a person."""
        command = ["sbatch", "-W", str(script)]
        done = person.run(command, self.env) if person else self.client(*command)
        if done.returncode:
            raise RuntimeError(done.stderr)

    def clear(self) -> None:
        """Cancel everything and wait until nothing runs."""
        self.client("scancel", "--quiet", "--full", "-u", "root")
        self.client("scancel", "--quiet", "--full", "-u", self.user)
        wait_for(lambda: self.client("squeue", "-h").stdout == "", 40, "the queue is empty", 0.2)

    @property
    def user(self) -> str:
        """The ordinary user's name."""
        return self.person.name

    def stop(self) -> None:
        """End the daemons and take everything away."""
        if self.controller.alive:
            for user in ("root", self.user):
                self.client("scancel", "--quiet", "--full", "-u", user)
            with contextlib.suppress(TimeoutError):
                wait_for(lambda: self.client("squeue", "-h").stdout == "", 15, "empty", 0.2)
        self.node.stop()
        self.controller.stop()
        if self.database is not None:
            self.database.stop()
        self.munged.stop()
        # A job that slurmctld forgot over its own death keeps the process that watches it.
        end_processes_with(f"SLURM_CONF={self.conf}")
        self.person.remove()
        shutil.rmtree(self.root, ignore_errors=True)

    def log_tail(self) -> str:
        """Return the ends of the daemons' logs, for a failed test's report."""
        return tails(sorted(self.root.glob("*.log")))
