"""A Dask cluster of real processes: `dask scheduler` and `dask worker`, as a user starts them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from distributed import Client, Future

ROOT = Path(__file__).parents[3]
SECONDS = 60.0


def until(condition: Callable[[], Any], what: str = "what was waited for") -> Any:
    """Wait for it; its value."""
    deadline = time.monotonic() + SECONDS
    while not (value := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
    return value


class Cluster:
    """A scheduler, and workers by name."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "scheduler.json"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.start("scheduler", ["--scheduler-file", str(self.file), "--port", "0",
                                 "--host", "127.0.0.1", "--no-dashboard"])  # fmt: skip
        until(lambda: self.file.exists() and self.file.stat().st_size, self.log("scheduler"))
        self.client: Client = Client(scheduler_file=str(self.file), timeout=SECONDS)

    def start(self, name: str, options: Sequence[str], python: str = sys.executable) -> None:
        """Start the scheduler, or another worker."""
        what = "scheduler" if name == "scheduler" else "worker"
        environment = dict(os.environ, PYTHONPATH=str(ROOT))
        environment["DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT"] = f"{SECONDS:g}s"
        with open(self.directory / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                [python, "-P", "-m", "dask", what, *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory,
                env=environment, start_new_session=True,
            )  # fmt: skip

    def launch(
        self,
        name: str,
        *options: str,
        threads: int = 2,
        python: str = sys.executable,
    ) -> None:
        """Start another worker."""
        usual = ["--scheduler-file", str(self.file), "--name", name, "--nthreads", str(threads),
                 "--host", "127.0.0.1", "--no-dashboard",
                 "--local-directory", str(self.directory)]  # fmt: skip
        self.start(name, [*usual, *options], python)

    def worker(self, name: str, *options: str, **more: Any) -> str:
        """Start another worker, and wait until it is there; its address."""
        self.launch(name, *options, **more)
        return str(until(lambda: self.address(name), self.log(name)))

    def log(self, name: str) -> str:
        """What it has printed."""
        file = self.directory / f"{name}.log"
        return file.read_text() if file.exists() else ""

    def address(self, name: str) -> str | None:
        """Of a worker that is there; None if it is not, now."""
        return self.addresses().get(name)

    def addresses(self) -> dict[str, str]:
        """Those of all workers that are at work, by name."""
        workers = self.client.scheduler_info(n_workers=-1)["workers"]
        at_work = {a: w for a, w in workers.items() if w["status"] == "running"}
        return {str(about["name"]): str(address) for address, about in at_work.items()}

    def kill(self, name: str) -> None:
        """SIGKILL to a worker and its nanny, as of a machine that fails; when all of it is gone."""
        address = self.address(name)
        (pid,) = self.client.run(os.getpid, workers=[address]).values()
        (runners,) = self.client.run(_runners, workers=[address]).values()
        self.processes[name].kill()
        os.kill(pid, signal.SIGKILL)
        self.processes[name].wait()
        until(lambda: not any(map(_is_there, runners)))

    def close(self) -> None:
        """End everything."""
        self.client.close()
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its nanny's children too
        for process in self.processes.values():
            process.wait()


@contextlib.contextmanager
def cluster(directory: Path, *names: str) -> Iterator[Cluster]:
    """A cluster with workers of these names."""
    made = Cluster(directory)
    try:
        for name in names:
            made.worker(name)
        yield made
    except BaseException:
        for name in made.processes:
            print(f"--- {name}\n{made.log(name)[-6000:]}")
        raise
    finally:
        made.close()


def _runners(dask_worker: Any) -> list[int]:
    runs = dask_worker.plugins["hetmig"]._host.runs
    return [run.program.runner.pid for run in runs.values()]


def _is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in b"ZX"
    except OSError:
        return False


def lines(log: Path) -> list[list[str]]:
    """The side effects so far: number of the step, and the worker."""
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def in_the_middle(log: Path, count: int) -> None:
    """Wait until a program with that log waits for its gate."""
    until(lambda: len(lines(log)) == count // 2 + 1, f"{log} has {len(lines(log))} lines")


def home(client: Client, future: Future) -> str | None:
    """The address of the worker that the task is processed on."""
    for address, keys in client.processing().items():
        if future.key in keys:
            return str(address)
    return None
