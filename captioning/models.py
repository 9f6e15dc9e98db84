"""Sentences and words about frames, each with who or what wrote it."""

from django.conf import settings
from django.db import models

from library.models import Frame


class Caption(models.Model):
    """One sentence about a frame."""

    class Source(models.TextChoices):
        MODEL = "model"
        HUMAN = "human"
        IMPORTED = "imported"

    frame = models.ForeignKey(Frame, on_delete=models.CASCADE, related_name="captions")
    source = models.CharField(max_length=8, choices=Source)
    model_id = models.CharField(max_length=120, blank=True, help_text="Empty for people and imports")
    text = models.TextField()
    confidence = models.FloatField(null=True, blank=True, help_text="Geometric mean token probability")
    match_score = models.FloatField(
        null=True,
        blank=True,
        help_text="Cosine of caption and picture in the image space: do they belong together?",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["frame", "source", "model_id"], name="caption_once_per_writer"),
        ]

    def __str__(self) -> str:
        return self.text


class AutoTag(models.Model):
    """A class that the backbone's classifier saw in a frame, above the calibrated confidence."""

    frame = models.ForeignKey(Frame, on_delete=models.CASCADE, related_name="auto_tags")
    model_id = models.CharField(max_length=120)
    name = models.CharField(max_length=80)
    synonyms = models.CharField(
        max_length=255, blank=True, help_text="Other names of the class, comma-separated"
    )
    confidence = models.FloatField()

    class Meta:
        ordering = ["-confidence"]
        constraints = [models.UniqueConstraint(fields=["frame", "model_id", "name"], name="auto_tag_once")]

    def __str__(self) -> str:
        return self.name


class CaptionerVersion(models.Model):
    """One trained captioner that can be made the active one: its weights by hash, and how good it is.

    The one that ships with the code, and one that a setting names, register themselves when first needed.
    """

    model_id = models.CharField(max_length=120, unique=True, help_text="Names weights and decoding")
    folder = models.CharField(
        max_length=500, blank=True, help_text="Where the checkpoint lies; empty for the one in the code"
    )
    weights_sha256 = models.CharField(max_length=64, blank=True)
    configuration = models.JSONField(default=dict, blank=True, help_text="How it was trained")
    data = models.JSONField(default=dict, blank=True, help_text="On what: name, sizes of the splits, hash")
    metrics = models.JSONField(
        default=dict, blank=True, help_text="Figures on dev, as evaluate_captioner --json prints them"
    )
    note = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.model_id

    @property
    def cider(self) -> float | None:
        """CIDEr on dev; None where nobody measured it."""
        value = self.metrics.get("cider")
        return None if value is None else float(value)


class Promotion(models.Model):
    """A version was made the active captioner. The newest row says which one is; none is ever changed."""

    class Kind(models.TextChoices):
        PROMOTE = "promote"
        ROLLBACK = "rollback", "roll back"

    version = models.ForeignKey(CaptionerVersion, on_delete=models.PROTECT, related_name="promotions")
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.PROMOTE)
    forced = models.BooleanField(default=False, help_text="In spite of worse figures, or of none")
    promoted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    promoted_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.version}"
