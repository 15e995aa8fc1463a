"""A real SLURM cluster of one node on loopback, of the distribution's own packages, without systemd or accounting."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "squeue", "scancel")
CONFIG = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={port}
SlurmdPort={next_port}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0,requeue_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
JobRequeue=1
MaxArraySize={array_size}
MinJobAge=600
KillWait=2
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES PriorityTier=1 State=UP
PartitionName=high Nodes={host} PriorityTier=10 PreemptMode=OFF State=UP
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, figures_of_a_kind_are_one):
    """A running cluster whose arrays take two tasks, so that four shards need two of them."""
    reason = reason_to_skip()
    if reason:
        pytest.skip(reason)
    cluster = Cluster(tmp_path_factory.mktemp("slurm"), array_size=2)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def reason_to_skip() -> str | None:
    """Why there can be no cluster here, None where there can."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"SLURM is not installed here ({', '.join(missing)} missing: slurmctld, slurmd, slurm-client, munge)"
    if os.geteuid():
        return "a SLURM cluster of our own needs root"
    try:
        socket.gethostbyname(_host())
    except OSError:
        return f"this machine's own name, {_host()}, can't be resolved"
    return None


class Cluster:
    """Started by `start`, ended by `stop`; `environment` is what its commands need."""

    def __init__(self, folder: Path, array_size: int):
        self.folder, self.array_size = folder, array_size
        self.environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf"), "OMP_NUM_THREADS": "1"}

    def start(self) -> None:
        """Start the daemons and wait until the node takes jobs."""
        for name in ("state", "spool", "munge"):
            (self.folder / name).mkdir()
        self.folder.chmod(0o755)
        key = self.folder / "munge" / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        port = _free_ports()
        config = CONFIG.format(
            host=_host(), port=port, next_port=port + 1, folder=self.folder, array_size=self.array_size
        )
        (self.folder / "slurm.conf").write_text(config)
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")  # v2 would ask for dbus
        munge = self.folder / "munge"
        self.call(
            *("munged", "--force", f"--socket={munge}/socket", f"--key-file={key}", f"--log-file={munge}/log"),
            *(f"--pid-file={self.folder}/munged.pid", f"--seed-file={munge}/seed"),
        )
        for daemon in ("slurmctld", "slurmd"):
            self.call(daemon, "-c", "-f", str(self.folder / "slurm.conf"))
        self.wait(lambda: "State=IDLE" in self.call("scontrol", "show", "node", _host(), check=False), 30)

    def stop(self) -> None:
        """Cancel what runs and end the daemons."""
        with contextlib.suppress(Exception):
            self.call("scancel", "--user=root", check=False)
            self.wait(lambda: not self.call("squeue", "--noheader"), 20)
        for name in ("slurmctld", "slurmd", "munged"):
            with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError):
                os.kill(int((self.folder / f"{name}.pid").read_text()), signal.SIGTERM)

    def call(self, *command: str, check: bool = True) -> str:
        """Run a command in the cluster; return what it prints, failing with what it says."""
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=self.environment, timeout=120)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def job(self, number: str) -> dict[str, str]:
        """What SLURM knows of a job or task."""
        words = self.call("scontrol", "--oneliner", "show", "job", number).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def wait(self, condition: Callable[[], bool], seconds: float = 240, pause: float = 0.1) -> None:
        """Wait until it holds, looking after each pause; fail with the queue and the daemons' logs."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                logs = [path.read_text()[-2000:] for path in self.folder.glob("*.log")]
                raise AssertionError("\n".join([self.call("squeue", check=False), *logs]))
            time.sleep(pause)

    def wait_for_end(self, *jobs: str) -> None:
        """Wait until the jobs, arrays with all their tasks, have left the queue."""
        self.wait(lambda: not self.call("squeue", "--noheader", f"--jobs={','.join(jobs)}", check=False), pause=0.3)


def _host() -> str:
    return socket.gethostname().split(".")[0]


def _free_ports() -> int:
    """The first of two neighbouring ports that nobody listens on."""
    for port in range(26817, 27817, 2):
        with socket.socket() as one, socket.socket() as two, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            two.bind(("127.0.0.1", port + 1))
            return port
    raise AssertionError("no two free ports")
