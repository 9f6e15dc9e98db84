"""`manage.py captioner` from registering to wiping."""

import json
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError

from captioning.models import Caption
from tests.captioning.checkpoints import save_version
from tests.workers.conftest import MakeAssets
from tests.workers.words import captioner, run_stages
from workers.models import RecaptionRun
from workers.tasks import upkeep

pytestmark = pytest.mark.django_db(transaction=True)


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
    captioner(
        "register", tmp_path / "elm", "--metrics", tmp_path / "dev.json", "--note", "from the evening run"
    )
    with pytest.raises(CommandError, match="--force"):
        captioner("promote", elm)
    assert "new photos from now on" in captioner("promote", elm, "--force", "--by", "alice")
    told = captioner("list")
    assert f"* {elm}: cider 0.4; from the evening run" in told
    assert "by alice, forced" in told
    assert f"  {shipped}: cider 0.5" in told

    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert "2 photos" in captioner("recaption", "--all")
    assert not RecaptionRun.objects.exists()
    with pytest.raises(CommandError, match="Say which"):
        captioner("recaption")
    captioner("recaption", "--owner", "alice", "--yes")
    assert "is paused" in captioner("pause")
    assert "is waiting" in captioner("resume")
    upkeep.run_jobs()  # following the promotion
    upkeep.run_jobs()
    run_stages()
    upkeep.sweep()
    assert "done, 2 of 2" in captioner("runs")
    with pytest.raises(CommandError, match="is done"):
        captioner("cancel")

    with pytest.raises(CommandError, match="active"):
        captioner("wipe", elm)
    assert "active again" in captioner("rollback")
    assert "Nothing was deleted" in captioner("wipe", elm)
    assert "2 captions are deleted" in captioner("wipe", elm, "--yes")
    assert not Caption.objects.filter(text__endswith="elm").exists()
    with pytest.raises(CommandError, match="No caption was written"):
        captioner("wipe", elm)
