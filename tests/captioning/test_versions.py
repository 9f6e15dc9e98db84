"""Versions of the captioner: registered with their figures, promoted, taken back, pinned by a setting."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from PIL import Image

from captioning import active, services, versions
from captioning.captioners.checkpoint import load_checkpoint, save_checkpoint
from captioning.captioners.decoding import Decoding
from captioning.models import CaptionerVersion, Promotion
from core import backends
from core.errors import Conflict, InvalidInput, ModelUnavailable, NeedsForce, NotFound
from core.packages import file_sha256
from tests.captioning.checkpoints import FolderCaptioner, MakeVersion, save_version

pytestmark = pytest.mark.django_db


def test_the_shipped_captioner_is_a_version_with_figures(shipped: str) -> None:
    (version,) = versions.all_versions()
    assert (version.model_id, version.cider, version.folder) == (shipped, 0.5, "")
    assert versions.active_version() == version
    assert services.captioner().model_id == shipped


def test_the_figures_of_the_weights_that_ship_are_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    card = json.loads((active.SHIPPED_CHECKPOINT / "model.json").read_text())
    figures = json.loads((active.SHIPPED_CHECKPOINT / "metrics.json").read_text())
    assert figures["captioner"] == card["model_id"]
    assert 0 < figures["cider"] < 2


def test_a_version_keeps_its_own_copy_without_code(tmp_path: Path, registered: MakeVersion) -> None:
    source = tmp_path / "elm"
    source.mkdir()
    (source / "config.json").write_text('{"seed": 7}')
    (source / "modeling.py").write_text("raise SystemExit")
    version = registered("elm")
    assert sorted(file.name for file in Path(version.folder).iterdir()) == [
        "config.json", "metrics.json", "model.json", "weights.safetensors",
    ]  # fmt: skip
    assert (version.configuration, version.cider) == ({"seed": 7}, 0.6)
    assert source not in Path(version.folder).parents
    save_version(source, "fir")  # a later run writes over the folder
    versions.promote(version.model_id)
    assert services.captioner().model_id == version.model_id


@pytest.mark.usefixtures("shipped")
def test_a_copy_that_another_keeps_at_the_same_moment_is_as_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def after_another(scratch: Path, kept: Path) -> Path:
        shutil.copytree(scratch, kept)
        return rename(scratch, kept)

    save_version(tmp_path / "elm", "elm")
    monkeypatch.setattr(Path, "rename", after_another)
    folder = Path(versions.register(tmp_path / "elm").folder)
    assert (folder / "weights.safetensors").is_file()
    assert list(folder.parent.glob(f".{folder.name}-*")) == []


def test_the_same_weights_with_styles_are_the_same_version_with_another_copy(
    tmp_path: Path, registered: MakeVersion
) -> None:
    elm = registered("elm")
    manifest, weights = load_checkpoint(tmp_path / "elm")
    for value in (1.0, 2.0):
        save_checkpoint(
            tmp_path / "elm",
            {"word": weights["word"], "styles.short": torch.tensor([value])},
            base=manifest.base,
            architecture=manifest.architecture,
            decoding=manifest.decoding,
        )
        styled = versions.register(tmp_path / "elm")
        assert (styled.pk, styled.weights_sha256) == (elm.pk, elm.weights_sha256)
        assert styled.folder != elm.folder
        assert float(load_checkpoint(Path(styled.folder))[1]["styles.short"]) == value
    assert versions.promote(styled.model_id).version == styled


def test_figures_may_come_later_and_must_be_its_own(tmp_path: Path, registered: MakeVersion) -> None:
    version = registered("elm", cider=None)
    assert version.cider is None
    again = versions.register(tmp_path / "elm", metrics={"captioner": version.model_id, "cider": 0.7})
    assert (again.pk, again.cider) == (version.pk, 0.7)
    with pytest.raises(InvalidInput, match="of captioner another"):
        versions.register(tmp_path / "elm", metrics={"captioner": "another", "cider": 0.9})
    with pytest.raises(InvalidInput, match="must be a number"):
        versions.register(tmp_path / "elm", metrics={"cider": "good"})
    for other in ({"split": "calib"}, {"style": "detailed"}, {"limit": 20}):
        with pytest.raises(InvalidInput, match="--split dev --json"):
            versions.register(tmp_path / "elm", metrics={"cider": 0.9, **other})
    with pytest.raises(InvalidInput, match="finite"):
        versions.register(tmp_path / "elm", metrics={"cider": 0.9, "bleu4": float("nan")})
    whole = {"captioner": version.model_id, "split": "dev", "style": "normal", "limit": None, "cider": 0.8}
    assert versions.register(tmp_path / "elm", metrics=whole).cider == 0.8


def test_what_was_measured_since_is_taken_along(tmp_path: Path, registered: MakeVersion) -> None:
    """Calibrating comes after the first look at a version: its confidences would else stay raw for good."""
    version = registered("elm")
    (tmp_path / "elm" / "confidence.json").write_text('{"bias": 1}')
    (tmp_path / "elm" / "README.md").write_text("Measured.")
    again = versions.register(tmp_path / "elm")
    assert (again.pk, again.folder) == (version.pk, version.folder)
    kept = Path(again.folder)
    assert (kept / "confidence.json").read_text() == '{"bias": 1}'
    assert (kept / "README.md").read_text() == "Measured."
    assert not list(kept.glob(".*"))
    load_checkpoint(kept)


def test_a_promoted_captioner_that_is_gone_is_told_before_it_is_needed(
    client: Client, registered: MakeVersion
) -> None:
    version = registered("elm")
    versions.promote(version.model_id)
    assert active.present_captioner().model_id == version.model_id
    assert client.get("/readyz").json()["parts"]["models"]["ok"]
    shutil.rmtree(version.folder)
    for ask in (active.present_captioner, services.captioner):
        with pytest.raises(ModelUnavailable, match=r"no longer in .*captioner promote"):
            ask()
    assert active.active_caption_model_id() == version.model_id, "what it wrote is still found"
    answer = client.get("/readyz")
    assert not answer.json()["parts"]["models"]["ok"]
    assert str(version.folder) not in answer.content.decode()


def test_code_that_calls_itself_safetensors_is_refused(tmp_path: Path, registered: MakeVersion) -> None:
    save_version(tmp_path / "elm", "elm")
    weights, card = (tmp_path / "elm" / name for name in ("weights.safetensors", "model.json"))
    torch.save({"word": torch.zeros(1)}, weights)
    told = json.loads(card.read_text()) | {"weights_sha256": file_sha256(weights)}
    card.write_text(json.dumps(told))
    with pytest.raises(ModelUnavailable, match="may hold code"):
        versions.register(tmp_path / "elm")


def test_damaged_weights_are_refused(tmp_path: Path, registered: MakeVersion) -> None:
    save_version(tmp_path / "elm", "elm")
    with (tmp_path / "elm" / "weights.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelUnavailable, match="damaged"):
        versions.register(tmp_path / "elm")
    version = registered("fir")
    (Path(version.folder) / "weights.safetensors").write_bytes(b"gone bad")
    with pytest.raises(ModelUnavailable, match="no longer holds"):
        versions.promote(version.model_id)
    assert not Promotion.objects.exists()


def test_a_worse_or_unmeasured_version_needs_force(registered: MakeVersion) -> None:
    worse, unknown, better = (
        registered("fir", cider=0.4), registered("yew", cider=None), registered("elm", cider=0.5),
    )  # fmt: skip
    alice = User.objects.create_user("alice")
    with pytest.raises(NeedsForce, match=r"fall from 0.500 .* to 0.400"):
        versions.promote(worse.model_id)
    with pytest.raises(NeedsForce, match="Nobody measured"):
        versions.promote(unknown.model_id)
    assert not Promotion.objects.exists()
    assert not versions.promote(better.model_id, force=True).forced, "no force was needed"
    promotion = versions.promote(worse.model_id, user=alice, force=True)
    assert (promotion.forced, promotion.promoted_by, promotion.kind) == (True, alice, "promote")
    with pytest.raises(Conflict, match="already"):
        versions.promote(worse.model_id)
    with pytest.raises(NotFound):
        versions.promote("nonsense")


def test_a_setting_pins_the_captioner_and_is_named(
    registered: MakeVersion, settings: Any, tmp_path: Path
) -> None:
    elm = registered("elm")
    versions.promote(elm.model_id)
    settings.CAPTIONER_CHECKPOINT = str(tmp_path / "pinned")
    pinned = save_version(tmp_path / "pinned", "ash").model_id
    assert services.captioner().model_id == pinned == active.active_caption_model_id()
    with pytest.raises(Conflict, match="CAPTIONER_CHECKPOINT"):
        versions.promote(elm.model_id)
    with pytest.raises(Conflict, match="CAPTIONER_CHECKPOINT"):
        versions.rollback()
    assert versions.active_version().model_id == pinned


def test_rollback_goes_back_step_by_step(registered: MakeVersion, shipped: str) -> None:
    with pytest.raises(Conflict, match="no promotion"):
        versions.rollback()
    elm, fir = registered("elm"), registered("fir", cider=0.7)
    versions.promote(elm.model_id)
    versions.promote(fir.model_id)
    for wanted in (elm.model_id, shipped):
        assert versions.rollback().version.model_id == wanted == active.active_caption_model_id()
    with pytest.raises(Conflict):
        versions.rollback()
    versions.promote(fir.model_id)
    assert versions.rollback().version.model_id == shipped
    assert Promotion.objects.count() == 6, "every change is a row"


def test_a_shipped_version_that_was_taken_back_to_outlives_an_upgrade(
    registered: MakeVersion, shipped: str, tmp_path: Path
) -> None:
    versions.promote(registered("elm").model_id)
    versions.rollback()
    save_version(tmp_path / "shipped", "new")
    active._card.cache_clear()
    assert services.captioner().model_id == shipped


def test_the_active_id_is_one_query_and_the_former_model_leaves_the_memory(registered: MakeVersion) -> None:
    former = services.captioner()
    assert services.captioner() is former
    other = services.captioner_named(active.checkpoint_dir().as_posix())
    assert other is former
    versions.promote(registered("elm").model_id)
    with CaptureQueriesContext(connection) as asked:
        active.active_caption_model_id()
    assert len(asked) == 1
    current = services.captioner()
    assert current is not former
    kept = [each for each in backends._instances.values() if isinstance(each, FolderCaptioner)]
    assert kept == [current]


@pytest.mark.parametrize(
    "name", ["/nowhere", "nosuch.Captioner", "captioning.captioners.visual.Nobody", "elm"]
)
def test_a_name_that_is_no_captioner_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"no captioner '{name}'"):
        services.captioner_named(name)


def test_the_command_describes_the_data(tmp_path: Path, shipped: str) -> None:
    data = tmp_path / "photos"
    (data / "images").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(data / "images" / "1.png")
    (data / "captions.csv").write_text("image,split,caption\n1.png,train,a black square\n")
    manifest = save_version(tmp_path / "elm", "elm")
    call_command("captioner", "register", str(tmp_path / "elm"), "--dataset", str(data))
    version = CaptionerVersion.objects.get(model_id=manifest.model_id)
    assert (version.data["name"], version.data["splits"]) == ("photos", {"train": 1})
    assert len(version.data["captions_sha256"]) == 64


def test_a_chosen_decoding_is_that_of_the_promoted_captioner_too(
    registered: MakeVersion, settings: Any
) -> None:
    elm = registered("elm")
    versions.promote(elm.model_id)
    settings.CAPTIONER_DECODING = Decoding(num_beams=5)
    current = active.active_captioner()
    assert current.model_id == elm.model_id.replace("beam1", "beam5")
    assert current.checkpoint == Path(versions.version_named(elm.model_id).folder)
    with pytest.raises(Conflict, match="CAPTIONER_DECODING"):
        versions.rollback()
