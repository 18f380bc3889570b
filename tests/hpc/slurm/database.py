"""Slurm's accounting database for a cluster of the tests: mariadbd and slurmdbd."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ..daemons import Daemon, free_ports, install, wait_for, which

SYSTEM_TABLES = Path("/usr/share/mysql/mysql_system_tables.sql")
CONF = """\
AuthType=auth/munge
AuthInfo=socket={root}/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser=root
LogFile={root}/slurmdbd.log
PidFile={root}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={storage_port}
StorageUser=root
StorageLoc=accounting
"""
#: What slurm.conf says about it.
SETTINGS = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStoragePass={root}/munge.socket
AccountingStorageEnforce=associations,limits,qos
AccountingStorageTRES=gres/gpu
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
JobCompType=jobcomp/none
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=500
PriorityType=priority/basic
"""


class Database:
    """Both daemons, with everything in the cluster's directory.

    slurmctld 22.05 dies of fair shares where nobody has an account yet, so there are none.
    JobAcctGather kills what uses too much memory, as cgroups do on clusters that have them.
    """

    def __init__(self, root: Path) -> None:
        install(
            ("slurmdbd", "mariadbd", "sacctmgr"),
            ("slurmdbd", "mariadb-server-core", "slurm-wlm-mysql-plugin"),
        )
        self._root = root
        self._port, self._storage_port = free_ports(2)
        self.settings = SETTINGS.format(root=root, port=self._port)

    def start(self, env: dict[str, str]) -> None:
        """Start both, with munged and slurm.conf there and slurmctld not started yet."""
        root = self._root
        (root / "mariadb" / "mysql").mkdir(parents=True)
        command = [
            which("mariadbd"),
            "--no-defaults",
            "--skip-grant-tables",
            "--user=root",
            f"--datadir={root}/mariadb",
            f"--socket={root}/mariadb.socket",
            f"--pid-file={root}/mariadb.pid",
            "--innodb-flush-log-at-trx-commit=0",
        ]
        # Its own tables are only needed for the procedures that slurmdbd stores.
        subprocess.run(
            [*command, "--bootstrap"],
            check=True,
            input=f"use mysql;\n{SYSTEM_TABLES.read_text()}",
            text=True,
            capture_output=True,
            timeout=60,
        )
        address = ["--bind-address=127.0.0.1", f"--port={self._storage_port}"]
        self._storage = Daemon([*command, *address], root / "mariadb.out")
        wait_for(
            lambda: "ready for connections" in (root / "mariadb.out").read_text(), 60, "mariadbd"
        )
        conf = root / "slurmdbd.conf"
        conf.write_text(CONF.format(root=root, port=self._port, storage_port=self._storage_port))
        conf.chmod(0o600)
        self._daemon = Daemon([which("slurmdbd"), "-D"], root / "slurmdbd.out", env)
        log = root / "slurmdbd.log"
        wait_for(
            lambda: log.exists() and " started" in log.read_text(), 60, "slurmdbd made its tables"
        )

    def stop(self) -> None:
        """End both."""
        for daemon in (self._daemon, self._storage):
            daemon.kill()
