"""The whole of Sightline on one machine: Redis, web server, workers and beat, started and stopped together."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings

from config.stack import preparation
from config.stack.errors import StackError
from config.stack.parts import parts
from config.stack.ports import require_free
from config.stack.processes import Child, start, stop
from config.stack.redis_server import start_redis

READY_TIMEOUT_S = 300.0
_SAY_EVERY_S = 20.0
_POLL_S = 0.2


@dataclass
class Stack:
    """A started stack. `env` is what its processes see; a command that joins them needs it too."""

    host: str
    port: int
    env: dict[str, str]
    log_dir: Path
    children: list[Child] = field(default_factory=list)

    @property
    def url(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - compared only
        return f"http://{host}:{self.port}"

    def check(self) -> None:
        """StackError if a part has died, with its last words."""
        for child in self.children:
            if child.exit_code is not None:
                raise StackError(
                    f"{child.name} ended with status {child.exit_code}. The end of {child.log_file}:\n"
                    f"{child.log_tail() or '(nothing was written)'}"
                )

    def wait_until(
        self, done: Callable[[], bool], *, timeout_s: float | None = None, every_s: float = _POLL_S
    ) -> bool:
        """Waits for `done`, with an eye on every part; False when the time is over first."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not done():
            self.check()
            if deadline is not None and time.monotonic() > deadline:
                return False
            time.sleep(every_s)
        return True

    def run(self, name: str, command: Sequence[str]) -> None:
        """Runs one more command beside the parts, on our terminal, until it ends well."""
        process = subprocess.Popen(command, env=self.env)
        try:
            self.wait_until(lambda: process.poll() is not None)
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait()
        if process.returncode:
            raise StackError(f"{name} ended with status {process.returncode}; its words are above.")


@contextmanager
def running_stack(*, host: str, port: int, say: Callable[[str], None]) -> Iterator[Stack]:
    """Everything started and ready; whatever happens inside, everything is stopped at the end."""
    var_dir = Path(settings.VAR_DIR)
    preparation.require_room(var_dir)
    with ExitStack() as cleanup:
        cleanup.enter_context(preparation.sole_user_of(var_dir, f"http://{host}:{port}"))
        require_free(host, port)
        preparation.prepare_database()
        preparation.collect_static_files()
        stack = Stack(host, port, _environment(host), var_dir / "logs")
        cleanup.callback(_stop_all, stack, say)
        say("Starting Redis, the web server and the workers ...")
        _start_redis(stack, var_dir)
        for part in parts(host=host, port=port, var_dir=var_dir):
            child = start(part.name, part.command, log_dir=stack.log_dir, env={**stack.env, **part.env})
            stack.children.append(child)
        _wait_until_ready(stack, say)
        yield stack


def _environment(host: str) -> dict[str, str]:
    hosts = {*settings.ALLOWED_HOSTS, "127.0.0.1", "localhost", "[::1]"}
    if host not in {"0.0.0.0", "::"}:  # noqa: S104 - compared only
        hosts.add(f"[{host}]" if ":" in host else host)
    return {
        **os.environ,
        "VAR_DIR": str(settings.VAR_DIR),
        "ALLOWED_HOSTS": ",".join(sorted(hosts)),
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


def _start_redis(stack: Stack, var_dir: Path) -> None:
    if os.environ.get("REDIS_URL", "").strip():
        return
    child, stack.env["REDIS_URL"] = start_redis(var_dir / "redis", stack.log_dir)
    stack.children.append(child)


def _stop_all(stack: Stack, say: Callable[[str], None]) -> None:
    if not stack.children:
        return
    say("Stopping ...")
    # Redis last: the others say good-bye to it.
    redis = [child for child in stack.children if child.name == "redis"]
    stop([child for child in stack.children if child.name != "redis"])
    stop(redis)


def _wait_until_ready(stack: Stack, say: Callable[[str], None]) -> None:
    """Until every part says so itself; a part that died is noticed at once, a slow machine is given its time."""
    answer: dict[str, Any] = {}
    say_next_at = time.monotonic() + _SAY_EVERY_S

    def ready() -> bool:
        nonlocal say_next_at
        answer.update(_readiness(stack.url))
        if time.monotonic() > say_next_at:
            say(f"Still waiting for {_lacking(answer)} ...")
            say_next_at += _SAY_EVERY_S
        return bool(answer.get("ready"))

    if not stack.wait_until(ready, timeout_s=READY_TIMEOUT_S):
        raise StackError(
            f"Not ready after {READY_TIMEOUT_S:.0f} s: {_lacking(answer)}. The logs are in {stack.log_dir}."
        )


def _lacking(answer: dict[str, Any]) -> str:
    lacking = [f"{name} ({part['note']})" for name, part in answer.get("parts", {}).items() if not part["ok"]]
    return ", ".join(lacking) or "the web server"


def _readiness(url: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=10) as response:  # noqa: S310 - our own address
            return dict(json.load(response))
    except urllib.error.HTTPError as error:
        with error:
            try:
                return dict(json.load(error))
            except ValueError:
                return {}
    except OSError:
        return {}
