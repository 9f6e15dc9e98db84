"""The embedded stack as a user starts it: `manage.py serve` or `demo` in a process of its own."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from config.stack.ports import free_port

REPOSITORY = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 300.0


@dataclass
class EmbeddedStack:
    """A started stack. `output` holds what it said so far."""

    url: str
    port: int
    var_dir: Path
    env: dict[str, str]
    process: subprocess.Popen[bytes]
    output_file: Path

    @property
    def output(self) -> str:
        return self.output_file.read_text(errors="replace")

    @classmethod
    @contextmanager
    def started(
        cls,
        *arguments: str,
        var_dir: Path,
        database_url: str | None = None,
    ) -> Iterator["EmbeddedStack"]:
        """Runs `manage.py ARGUMENTS --port FREE` and waits until it says where it is."""
        running = cls.launched(*arguments, var_dir=var_dir, database_url=database_url)
        try:
            running.wait_for_output(f"Sightline is at {running.url}")
            yield running
        finally:
            running.stop()

    @classmethod
    def launched(
        cls,
        *arguments: str,
        var_dir: Path,
        database_url: str | None = None,
    ) -> "EmbeddedStack":
        """Runs the command without waiting; stop() it."""
        port = free_port()
        env = stack_env(var_dir, database_url)
        output = var_dir / f"output-{port}.txt"
        command = [sys.executable, "manage.py", *arguments, "--port", str(port)]
        with output.open("wb") as file:
            process = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                # A shell's background jobs ignore Ctrl-C, and so would everything they start.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        return cls(f"http://127.0.0.1:{port}", port, var_dir, env, process, output)

    def wait_for_output(self, text: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while text not in self.output:
            assert self.process.poll() is None, f"ended before it said {text!r}:\n{self.output}"
            assert time.monotonic() < deadline, f"did not say {text!r} in {START_TIMEOUT_S} s:\n{self.output}"
            time.sleep(0.1)

    def processes(self) -> list[psutil.Process]:
        """Everything it has started, and what that has started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self, with_signal: signal.Signals = signal.SIGINT, timeout_s: float = 180) -> int:
        """Ends it as Ctrl-C does; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        try:
            return self.process.wait(timeout_s)
        finally:
            self.process.kill()
            self.process.wait()


def stack_env(var_dir: Path, database_url: str | None) -> dict[str, str]:
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "VAR_DIR": str(var_dir)}
    env.pop("REDIS_URL", None)
    env.pop("DATABASE_URL", None)
    return env if database_url is None else {**env, "DATABASE_URL": database_url}


@contextmanager
def own_database(name: str) -> Iterator[str | None]:
    """A fresh database on the PostgreSQL the tests run on; on SQLite none is needed, the stack makes its file."""
    server = os.environ.get("DATABASE_URL", "")
    if not server.startswith("postgres"):
        yield None
        return
    import psycopg

    database = f"{name}_{secrets.token_hex(4)}"
    from config import environment

    config = environment.database("DATABASE_URL", Path())
    address = {"host": config["HOST"], "user": config["USER"], "dbname": "postgres"}
    with psycopg.connect(**address, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{database}"')
        try:
            yield server.rpartition("/")[0] + f"/{database}"
        finally:
            admin.execute(f'DROP DATABASE "{database}" WITH (FORCE)')
