"""The pieces of the embedded stack, each by itself."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import psutil
import pytest

from config.demo import photos
from config.stack import preparation, redis_server
from config.stack.errors import StackError
from config.stack.parts import parts
from config.stack.ports import free_port, require_free
from config.stack.processes import start, stop
from config.stack.stack import Stack
from tests.services.ended import end_soon
from workers import pipeline

FOREVER = "import time; time.sleep(600)"
STUBBORN_FAMILY = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # children inherit it
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


def wait_for_text(file: Path) -> str:
    deadline = time.monotonic() + 20
    while not (text := file.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return text


def test_stopping_takes_grandchildren_and_the_stubborn_along(tmp_path: Path) -> None:
    child = start("family", [sys.executable, "-c", STUBBORN_FAMILY], log_dir=tmp_path)
    grandchild = psutil.Process(int(wait_for_text(child.log_file)))
    stop([child], grace_s=0.2)
    assert child.exit_code == -signal.SIGKILL
    assert end_soon([grandchild])


def test_an_orderly_end_is_waited_for(tmp_path: Path) -> None:
    code = "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(7))\nprint(1, flush=True)\ntime.sleep(600)"
    child = start("polite", [sys.executable, "-c", code], log_dir=tmp_path)
    wait_for_text(child.log_file)
    stop([child])
    assert child.exit_code == 7


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent died")
def test_a_child_does_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib; from config.stack.processes import start\n"
        f"child = start('child', [sys.executable, '-c', {FOREVER!r}], log_dir=pathlib.Path({str(tmp_path)!r}))\n"
        "print(child.process.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert end_soon([child])


def test_a_part_that_dies_is_named_with_its_last_words(tmp_path: Path) -> None:
    child = start("web", [sys.executable, "-c", "print('no such table'); exit(3)"], log_dir=tmp_path)
    child.process.wait()
    stack = Stack("127.0.0.1", 8000, {}, tmp_path, [child])
    with pytest.raises(StackError, match=r"(?s)web ended with status 3.*no such table"):
        stack.check()


def test_waiting_keeps_an_eye_on_every_part(tmp_path: Path) -> None:
    child = start("beat", [sys.executable, "-c", "import time; time.sleep(0.3); exit(1)"], log_dir=tmp_path)
    with pytest.raises(StackError, match="beat ended"):
        Stack("127.0.0.1", 8000, {}, tmp_path, [child]).wait_until(lambda: False, timeout_s=30)


def test_a_command_beside_the_stack_that_fails_says_so(tmp_path: Path) -> None:
    stack = Stack("127.0.0.1", 8000, dict(os.environ), tmp_path)
    stack.run("Nothing", [sys.executable, "-c", "pass"])
    with pytest.raises(StackError, match="The import ended with status 4"):
        stack.run("The import", [sys.executable, "-c", "exit(4)"])


def test_a_port_in_use_is_said_with_what_to_do() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(StackError, match=rf"Port {port} .*make demo PORT="):
            require_free("127.0.0.1", port)
    require_free("127.0.0.1", free_port())


def test_a_full_disk_is_said_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=12_000_000))
    with pytest.raises(StackError, match=r"full: 12 MB are free.*VAR_DIR"):
        preparation.require_room(tmp_path)


def test_a_folder_that_can_not_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match="VAR_DIR"):
        preparation.require_room(tmp_path / "file" / "var")


def test_two_stacks_never_share_a_folder(tmp_path: Path) -> None:
    first = preparation.sole_user_of(tmp_path, "http://127.0.0.1:8000")
    with first:
        told = rf"process {os.getpid()}, http://127.0.0.1:8000"
        with (
            pytest.raises(StackError, match=told),
            preparation.sole_user_of(tmp_path, "http://127.0.0.1:9000"),
        ):
            pass
    with preparation.sole_user_of(tmp_path, "http://127.0.0.1:9000"):
        pass


def test_no_redis_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(StackError, match="make setup"):
        redis_server.find_redis_server()


def test_redis_takes_another_port_where_one_was_taken_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        open_port = free_port()
        ports = [open_port, other.getsockname()[1]]
        monkeypatch.setattr(redis_server, "free_port", ports.pop)
        child, url = redis_server.start_redis(tmp_path, tmp_path)
    stop([child])
    assert (urlsplit(url).port, ports) == (open_port, [])
    assert "password" not in " ".join(child.process.args)  # type: ignore[arg-type]


def test_the_demo_has_photos_whose_names_tell_nothing(tmp_path: Path) -> None:
    folder = photos.demo_photos(tmp_path / "photos")
    names = sorted(file.name for file in folder.iterdir())
    assert len(names) >= 12
    assert all(name.startswith("photo-") for name in names)
    before = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    photos.demo_photos(folder)
    assert {file: file.stat().st_mtime_ns for file in folder.iterdir()} == before


def test_some_worker_serves_every_queue(tmp_path: Path) -> None:
    commands = [part.command for part in parts(host="127.0.0.1", port=1, var_dir=tmp_path)]
    served = {
        queue
        for command in commands
        if "--queues" in command
        for queue in command[command.index("--queues") + 1].split(",")
    }
    assert served == set(pipeline.QUEUES)
