"""`manage.py captioner` from registering to wiping."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from captioning.models import Caption
from tests.captioning.checkpoints import save_version
from tests.workers.conftest import MakeAssets
from workers import pipeline, runner, stages
from workers.models import RecaptionRun
from workers.tasks import upkeep

pytestmark = pytest.mark.django_db(transaction=True)


def called(*arguments: Any) -> str:
    out = StringIO()
    call_command("captioner", *map(str, arguments), stdout=out)
    return out.getvalue()


def run_stages() -> None:
    for stage in pipeline.STAGES:
        runner.drain(stages.lane_of(stage))


def test_the_command_tells_the_whole_story(
    tmp_path: Path,
    make_assets: MakeAssets,
    alice: User,
    shipped: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_assets("red", "blue")
    run_stages()
    elm = save_version(tmp_path / "elm", "elm").model_id
    (tmp_path / "dev.json").write_text(json.dumps({"captioner": elm, "cider": 0.4}))
    called("register", tmp_path / "elm", "--metrics", tmp_path / "dev.json", "--note", "from the evening run")
    with pytest.raises(CommandError, match="--force"):
        called("promote", elm)
    assert "new photos from now on" in called("promote", elm, "--force", "--by", "alice")
    told = called("list")
    assert f"* {elm}: cider 0.4; from the evening run" in told
    assert "by alice, forced" in told
    assert f"  {shipped}: cider 0.5" in told

    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert "2 photos" in called("recaption", "--all")
    assert not RecaptionRun.objects.exists()
    with pytest.raises(CommandError, match="Say which"):
        called("recaption")
    called("recaption", "--owner", "alice", "--yes")
    assert "is paused" in called("pause")
    assert "is waiting" in called("resume")
    upkeep.run_jobs()  # following the promotion
    upkeep.run_jobs()
    run_stages()
    upkeep.sweep()
    assert "done, 2 of 2" in called("runs")
    with pytest.raises(CommandError, match="is done"):
        called("cancel")

    with pytest.raises(CommandError, match="active"):
        called("wipe", elm)
    assert "active again" in called("rollback")
    assert "Nothing was deleted" in called("wipe", elm)
    assert "2 captions are deleted" in called("wipe", elm, "--yes")
    assert not Caption.objects.filter(text__endswith="elm").exists()
    with pytest.raises(CommandError, match="No caption was written"):
        called("wipe", elm)
