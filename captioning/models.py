"""Sentences and words about frames, each with who or what wrote it."""

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
