"""Versions of the captioner: registered with their figures, promoted, taken back. Each change is a row of its own."""

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.text import slugify

from captioning import active
from captioning.active import ActiveCaptioner
from captioning.captioners.styles import NORMAL
from captioning.models import CaptionerVersion, Promotion
from core.errors import Conflict, InvalidInput, ModelUnavailable, NeedsForce, NotFound
from core.packages import file_sha256

#: The names of `captioning.captioners.checkpoint`, which only a process that has torch to spare can import.
_WEIGHTS, _MANIFEST = "weights.safetensors", "model.json"
_METRICS, _CONFIGURATION = "metrics.json", "config.json"
#: What is copied of a checkpoint: weights, cards and figures, never code.
_KEPT = ("*.safetensors", "*.json", "*.md")
_REFRESHED = ("*.json", "*.md")
#: The split by whose figures versions are compared.
DEV = "dev"


def register(
    folder: Path,
    *,
    metrics: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    note: str = "",
) -> CaptionerVersion:
    """Check a checkpoint folder, keep a copy of it under VAR_DIR, and list it; promotes nothing.

    metrics: what `evaluate_captioner --json` printed for the split dev; default: metrics.json in the folder. A
    version that is known already takes what is given anew. ModelUnavailable where hashes do not agree.
    """
    from captioning.captioners.checkpoint import load_checkpoint

    manifest, _ = load_checkpoint(folder)
    figures = _checked_metrics(_json_in(folder / _METRICS) if metrics is None else metrics, manifest.model_id)
    configuration = _json_in(folder / _CONFIGURATION)
    kept = _kept_copy(folder, manifest.model_id, manifest.weights_sha256)  # before anybody has to wait for it
    with transaction.atomic():
        version, _ = CaptionerVersion.objects.select_for_update().get_or_create(model_id=manifest.model_id)
        if version.weights_sha256 not in ("", manifest.weights_sha256):
            raise Conflict(f"{version} is registered with other weights (sha256 {version.weights_sha256}).")
        version.weights_sha256 = manifest.weights_sha256
        version.folder = str(kept)
        version.metrics, version.data = figures or version.metrics, dict(data or version.data)
        version.configuration, version.note = configuration or version.configuration, note or version.note
        version.save()
    return version


def all_versions() -> list[CaptionerVersion]:
    """Every version, the newest first, with the shipped and the active one registered."""
    for ensure in (shipped_version, active_version):
        try:
            ensure()
        except ModelUnavailable:  # what is listed are the others
            continue
    return list(CaptionerVersion.objects.order_by("-pk"))


def version_named(model_id: str) -> CaptionerVersion:
    """One version; NotFound where none is registered under that id."""
    shipped = _shipped_or_none()
    if shipped is not None and shipped.model_id == model_id:
        return shipped_version()
    version = CaptionerVersion.objects.filter(model_id=model_id).first()
    if version is None:
        raise NotFound(f"No version {model_id!r} is registered: see `manage.py captioner list`.")
    return version


def active_version() -> CaptionerVersion:
    """The version that captions frames now; ModelUnavailable where there is none."""
    current = active.active_captioner()
    pinning = active.pinned_by()
    if pinning is None:
        return _ensured(current, "ships with the code")
    return _ensured(current, f"named by the setting {pinning}")


def shipped_version() -> CaptionerVersion:
    """The version that comes with the code; ModelUnavailable where it does not."""
    return _ensured(active.shipped(), "ships with the code")


def keep(model_id: str) -> None:
    """Have a copy of a version's folder where no training writes, so that promoting it takes no time.

    NotFound where none is registered under that id. One that is not there any more is the promotion's to refuse.
    """
    version = version_named(model_id)
    with suppress(ModelUnavailable):
        CaptionerVersion.objects.filter(pk=version.pk).update(folder=str(_kept(version)))


def promote(model_id: str, *, user: AbstractBaseUser | None = None, force: bool = False) -> Promotion:
    """Make a version the active captioner: what is uploaded from now on is captioned by it, and nothing else changes.

    What follows is the pipeline's (`promote_captioner`). NeedsForce where its CIDEr on dev is worse
    than the active one's or unknown; Conflict where a setting pins the captioner, or it is active already.
    """
    with transaction.atomic():
        current = _locked_active()
        version = version_named(model_id)
        if version == current:
            raise Conflict(f"{version} is active already.")
        reason = _doubt(version, current)
        if reason and not force:
            raise NeedsForce(reason)
        return _made_active(version, Promotion.Kind.PROMOTE, user, forced=bool(reason))


def rollback(*, user: AbstractBaseUser | None = None) -> Promotion:
    """Make the version active that was so before the last promotion; the same again goes back further.

    What follows is the pipeline's (`roll_back_captioner`). Conflict where nothing can be taken back.
    """
    with transaction.atomic():
        _locked_active()
        return _made_active(version_before(), Promotion.Kind.ROLLBACK, user)


def offer(version: CaptionerVersion) -> str:
    """What a version that learned from reviews has to offer, beside the figures of the one it started from.

    Empty for every other version, and as soon as somebody has promoted it.
    """
    before = version.metrics.get("learned_from")
    if not before or version.promotions.exists():
        return ""
    told = f"CIDEr on dev {version.metrics['cider']:.3f}, {before['cider']:.3f} before"
    reviews = version.metrics.get("reviews")
    if reviews:
        now, then = reviews["cider"], before["reviews"]["cider"]
        told += f"; on {reviews['n_images']} reviewed photos {now:.3f}, {then:.3f} before"
    return told


def version_before() -> CaptionerVersion:
    """To which version a rollback would go; Conflict where nothing was promoted."""
    standing: list[CaptionerVersion] = []
    for promotion in Promotion.objects.select_related("version").order_by("pk"):
        if promotion.kind == Promotion.Kind.PROMOTE:
            standing.append(promotion.version)
        elif standing:
            standing.pop()
    if not standing:
        raise Conflict(
            "There is no promotion to take back: the captioner that ships with the code is active."
        )
    return standing[-2] if len(standing) > 1 else shipped_version()


def _locked_active() -> CaptionerVersion:
    """The active version, whose row is locked so that promotions come one after another."""
    pinning = active.pinned_by()
    if pinning is not None:
        raise Conflict(f"The setting {pinning} names the captioner: unset it, and promotions decide.")
    list(CaptionerVersion.objects.select_for_update().order_by("pk").values_list("pk", flat=True))
    return active_version()


def _made_active(
    version: CaptionerVersion,
    kind: Promotion.Kind,
    user: AbstractBaseUser | None,
    *,
    forced: bool = False,
) -> Promotion:
    version.folder = str(_kept(version))
    version.save(update_fields=["folder"])
    return Promotion.objects.create(
        version=version, kind=kind, forced=forced, promoted_by_id=user.pk if user else None
    )


def _kept(version: CaptionerVersion) -> Path:
    """The copy of its folder; also of the shipped one, for the next version of the code brings other weights."""
    folder = Path(version.folder or active.SHIPPED_CHECKPOINT)
    if not version.weights_sha256 or not _holds(folder, version.weights_sha256):
        raise ModelUnavailable(
            f"{folder} no longer holds the weights of {version}: register a folder that does, "
            "with `manage.py captioner register FOLDER`."
        )
    return _kept_copy(folder, version.model_id, version.weights_sha256)


def _doubt(version: CaptionerVersion, current: CaptionerVersion) -> str:
    """Why a promotion needs force; empty where it does not."""
    if version.cider is None:
        return (
            f"Nobody measured {version} on dev: register it with --metrics and what "
            "`manage.py evaluate_captioner --split dev --json` prints, or insist."
        )
    if current.cider is not None and version.cider < current.cider:
        return f"CIDEr on dev would fall from {current.cider:.3f} ({current}) to {version.cider:.3f} ({version})."
    return ""


def _ensured(captioner: ActiveCaptioner, note: str) -> CaptionerVersion:
    known = CaptionerVersion.objects.filter(model_id=captioner.model_id).first()
    if known is not None:
        return known
    folder, metrics = captioner.checkpoint, _json_in(captioner.checkpoint / _METRICS)
    card = _json_in(folder / _MANIFEST)
    its_own = card.get("model_id") == captioner.model_id
    version, _ = CaptionerVersion.objects.get_or_create(
        model_id=captioner.model_id,
        defaults={
            "folder": str(folder) if its_own and folder != active.SHIPPED_CHECKPOINT else "",
            "weights_sha256": str(card.get("weights_sha256", "")) if its_own else "",
            "configuration": _json_in(folder / _CONFIGURATION) if its_own else {},
            # Figures of other weights that lay here before say nothing of these.
            "metrics": metrics if metrics.get("captioner") == captioner.model_id else {},
            "note": note,
        },
    )
    return version


def _shipped_or_none() -> ActiveCaptioner | None:
    try:
        return active.shipped()
    except ModelUnavailable:
        return None


def _kept_copy(folder: Path, model_id: str, weights_sha256: str) -> Path:
    """A copy that no later training run writes over; the same one for the same weights and styles."""
    styles_sha256 = str(_json_in(folder / _MANIFEST).get("styles_sha256", ""))
    parts = (slugify(model_id)[:80], weights_sha256[:8], styles_sha256[:8])
    name = "-".join(filter(None, parts))
    kept: Path = settings.VAR_DIR / "captioners" / name
    if folder.resolve() == kept.resolve():
        return kept
    if _holds(kept, weights_sha256):
        _refresh(kept, folder)
        return kept
    scratch = kept.with_name(f".{name}-{uuid4().hex}")
    scratch.mkdir(parents=True)
    try:
        for pattern in _KEPT:
            for file in folder.rglob(
                pattern
            ):  # an exported one has its language model in a folder of its own
                (scratch / file.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, scratch / file.relative_to(folder))
        if kept.exists() and not _holds(kept, weights_sha256):
            shutil.rmtree(kept)
        if not kept.exists():
            scratch.rename(kept)
    except OSError:
        if not _holds(kept, weights_sha256):  # else somebody else has kept the same at this moment
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return kept


def _refresh(kept: Path, folder: Path) -> None:
    """Take along what was measured of the same weights since: figures, confidence, card."""
    for file in (each for pattern in _REFRESHED for each in folder.glob(pattern)):
        if file.name != _MANIFEST and file_sha256(file) != _sha256_or_none(kept / file.name):
            scratch = kept / f".{file.name}-{uuid4().hex}"
            shutil.copyfile(file, scratch)
            scratch.replace(kept / file.name)


def _sha256_or_none(file: Path) -> str | None:
    return file_sha256(file) if file.is_file() else None


def _holds(folder: Path, weights_sha256: str) -> bool:
    weights = folder / _WEIGHTS
    return (folder / _MANIFEST).is_file() and weights.is_file() and file_sha256(weights) == weights_sha256


def _json_in(file: Path) -> dict[str, Any]:
    """The object in a JSON file that may be missing; InvalidInput where it holds something else."""
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise InvalidInput(f"{file} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise InvalidInput(f"{file} must hold one JSON object.")
    return content


def _checked_metrics(metrics: Mapping[str, Any], model_id: str) -> dict[str, Any]:
    """Versions are compared by CIDEr: of normal captions of all of dev, measured with these very weights."""
    for name, wanted in {"captioner": model_id, "split": DEV, "style": NORMAL, "limit": None}.items():
        told = metrics.get(name)
        if told not in (None, wanted):
            raise InvalidInput(
                f"These figures are of {name} {told}, not of {wanted or 'the whole split'}: give what "
                "`manage.py evaluate_captioner --split dev --json` prints of this captioner.",
                field="metrics",
            )
    for name in ("cider", "images_per_s"):
        value = metrics.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise InvalidInput(f"{name} must be a number, not {value!r}.", field="metrics")
    try:
        json.dumps(metrics, allow_nan=False)
    except ValueError as error:
        raise InvalidInput(
            f"Figures must be finite numbers: {error} (NaN, Infinity).", field="metrics"
        ) from error
    return dict(metrics)
