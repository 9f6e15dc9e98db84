"""`manage.py serve` as a person uses it: it starts, it serves, it says what is wrong, it leaves nothing behind."""

import json
import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.services.embedded import EmbeddedStack
from tests.services.ended import end_soon

pytestmark = pytest.mark.timeout(900)


def fetch(url: str) -> tuple[int, str, bytes]:
    with urllib.request.urlopen(url, timeout=30) as response:
        return response.status, response.headers["Content-Type"], response.read()


def readiness(url: str) -> dict[str, Any]:
    """What /readyz says once it is ready: on a busy machine a worker may miss a question, and asking again is told."""
    deadline = time.monotonic() + 60
    while True:
        try:
            answer: dict[str, Any] = json.loads(fetch(f"{url}/readyz")[2])
        except urllib.error.HTTPError as error:
            said = error.read().decode()
            assert time.monotonic() < deadline, said
            time.sleep(int(error.headers["Retry-After"]))
        else:
            return answer


def test_everything_answers(stack: EmbeddedStack) -> None:
    status, content_type, page = fetch(stack.url)
    assert (status, content_type) == (200, "text/html; charset=utf-8")
    assert b"Sightline" in page
    parts = readiness(stack.url)["parts"]
    assert {name for name, part in parts.items() if part["ok"]} == {
        "database",
        "redis",
        "index",
        "models",
        "workers",
    }
    assert json.loads(fetch(f"{stack.url}/api/v1/search?q=red")[2])["results"] == []


def test_static_files_are_served_with_their_hash(stack: EmbeddedStack) -> None:
    page = fetch(stack.url)[2].decode()
    sheet = next(part for part in page.split('"') if part.startswith("/static/") and part.endswith(".css"))
    assert fetch(f"{stack.url}{sheet}")[0] == 200
    assert sheet.count(".") == 2, "name.hash.css can be kept for ever"


def test_a_second_stack_on_the_same_folder_is_refused(stack: EmbeddedStack) -> None:
    second = EmbeddedStack.launched("serve", var_dir=stack.var_dir)
    assert second.process.wait(180) == 1
    assert stack.url in second.output
    assert "runs already" in second.output
    assert "Traceback" not in second.output
    stack.wait_for_output(stack.url)


def test_a_port_in_use_is_said_before_anything_is_started(tmp_path: Path) -> None:
    with socket.socket() as other, pytest.MonkeyPatch.context() as patch:
        other.bind(("127.0.0.1", 0))
        other.listen()
        patch.setattr("tests.services.embedded.free_port", lambda: other.getsockname()[1])
        refused = EmbeddedStack.launched("serve", var_dir=tmp_path)
        assert refused.process.wait(180) == 1
    assert "PORT=" in refused.output
    assert "Traceback" not in refused.output
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_whatever_ends_it_no_process_stays(end: signal.Signals, tmp_path: Path) -> None:
    with EmbeddedStack.started("serve", var_dir=tmp_path) as running:
        processes = running.processes()
        assert len(processes) >= 8
        status = running.stop(end)
    assert end_soon(processes)
    assert status == (-signal.SIGKILL if end == signal.SIGKILL else 0)
    assert "Traceback" not in running.output


def test_a_part_that_dies_takes_the_rest_along_and_is_named(tmp_path: Path) -> None:
    with EmbeddedStack.started("serve", var_dir=tmp_path) as running:
        processes = running.processes()
        beat = next(each for each in processes if "beat" in each.cmdline())
        beat.kill()
        assert running.process.wait(180) == 1
    assert end_soon(processes)
    assert "beat ended with status -9" in running.output
