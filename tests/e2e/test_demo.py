"""`make demo EXIT=1`: photos go in, are found, and a second run adds nothing."""

import re
import signal
from pathlib import Path

import pytest
from PIL import Image

from tests.services.embedded import EmbeddedStack

pytestmark = pytest.mark.timeout(900)


def run_demo(var_dir: Path, database_url: str | None, *arguments: str) -> EmbeddedStack:
    demo = EmbeddedStack.launched("demo", "--exit", *arguments, var_dir=var_dir, database_url=database_url)
    try:
        assert demo.process.wait(400) == 0, demo.output
    finally:
        demo.stop()
    return demo


def test_photos_go_in_and_are_found_and_a_second_run_adds_nothing(
    tmp_path: Path, own_database_url: str | None
) -> None:
    first = run_demo(tmp_path, own_database_url).output
    total = int(re.findall(r"(\d+) new, 0 there before, 0 failed", first)[0])
    assert total >= 12
    assert f"{total} of {total} photos are captioned and searchable" in first
    assert len(re.findall(r"^Search: ", first, re.MULTILINE)) == 3
    assert re.search(
        r"^Related to photo \d+ \(a \w+ picture\):\n  1\. photo \d+: a \w+ picture", first, re.MULTILINE
    )
    sign_in = re.findall(r"Sign in as demo with the password (\S+)", first)
    assert "Traceback" not in first

    second = run_demo(tmp_path, own_database_url).output
    assert f"0 new, {total} there before" in second
    assert f"{total} of {total} photos are captioned and searchable" in second
    assert re.findall(r"Sign in as demo with the password (\S+)", second) == sign_in


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    photos = tmp_path / "mine"
    photos.mkdir()
    for name, colour in {"b": "red", "a": "blue"}.items():
        Image.new("RGB", (64, 48), colour).save(photos / f"{name}.jpg")
    (photos / "c.jpg").write_text("not a picture")
    (tmp_path / "var").mkdir()
    output = run_demo(tmp_path / "var", None, "--photos", str(photos)).output
    assert "2 new, 0 there before, 1 failed" in output
    assert "2 of 2 photos are captioned and searchable" in output
    assert re.search(r"Search: a red picture\n  1\. photo \d+: a red picture", output)


def test_a_folder_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    demo = EmbeddedStack.launched("demo", "--photos", "/no/such/folder", var_dir=tmp_path)
    assert demo.process.wait(180) == 1
    assert "There is no /no/such/folder" in demo.output
    assert not (tmp_path / "logs").exists()


def test_it_stays_up_until_it_is_told_to_stop(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), "green").save(tmp_path / "green.png")
    with EmbeddedStack.started("demo", "--photos", str(tmp_path / "green.png"), var_dir=tmp_path) as demo:
        assert demo.process.poll() is None
        assert demo.stop(signal.SIGINT) == 0
    assert "Stopped." in demo.output
