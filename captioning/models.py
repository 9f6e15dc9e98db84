"""Sentences and words about frames, each with who or what wrote it."""

from django.conf import settings
from django.db import models

from captioning.captioners.styles import NORMAL, STYLES
from library.models import Frame

_STYLES = [(style, style.capitalize()) for style in STYLES]


class Caption(models.Model):
    """One sentence about a frame, and what people decided of it.

    A model's row that a person corrected says EDITED and keeps its words; the person's words are a row of their own.
    """

    class Source(models.TextChoices):
        MODEL = "model"
        HUMAN = "human"
        IMPORTED = "imported"

    class State(models.TextChoices):
        DRAFT = "draft"
        AUTO_ACCEPTED = "auto_accepted", "accepted by the screen"
        TO_REVIEW = "to_review", "to review"
        ACCEPTED = "accepted"
        EDITED = "edited"
        REJECTED = "rejected"

    #: What a person decided, which no machine changes.
    DECIDED = (State.ACCEPTED, State.EDITED, State.REJECTED)

    frame = models.ForeignKey(Frame, on_delete=models.CASCADE, related_name="captions")
    source = models.CharField(max_length=8, choices=Source)
    model_id = models.CharField(max_length=120, blank=True, help_text="Empty for people and imports")
    style = models.CharField(
        max_length=8, choices=_STYLES, default=NORMAL, help_text="Of a model's caption: how it was asked"
    )
    text = models.TextField()
    alternatives = models.JSONField(
        default=list, blank=True, help_text="Other sentences of the model, the likeliest first"
    )
    confidence = models.FloatField(
        null=True,
        blank=True,
        help_text="Probability that the sentence is right, where the captioner is calibrated; else its geometric "
        "mean token probability",
    )
    match_score = models.FloatField(
        null=True,
        blank=True,
        help_text="Cosine of caption and picture in the image space: do they belong together?",
    )
    state = models.CharField(max_length=13, choices=State, default=State.DRAFT)
    reviewed = models.GeneratedField(
        expression=models.Case(
            models.When(models.Q(source=Source.HUMAN) | models.Q(state__in=DECIDED), then=True), default=False
        ),
        output_field=models.BooleanField(),
        db_persist=True,
        help_text="A person accepted, corrected or rejected it, or wrote it",
    )
    doubts = models.JSONField(default=list, blank=True, help_text="Why the screen sent it to review")
    review_priority = models.FloatField(
        default=0.0, help_text="How much a correction would teach; the highest is reviewed first"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["frame", "source", "model_id"], name="caption_once_per_writer"),
        ]
        indexes = [
            models.Index(
                fields=["-review_priority", "id"],
                condition=models.Q(state="to_review"),
                name="captions_to_review",
            ),
            models.Index(fields=["frame"], condition=models.Q(reviewed=True), name="captions_reviewed"),
        ]
        permissions = [
            ("review_caption", "Can review the captions of other people's public photos"),
            ("review_private_caption", "Can review the captions of other people's private photos"),
        ]

    def __str__(self) -> str:
        return self.text

    @property
    def sentences(self) -> tuple[str, ...]:
        """All that it says: the text, then, of a model's, its alternatives."""
        return (self.text, *self.alternatives)


class CaptionPreference(models.Model):
    """The style in which a person wants photos captioned; without a row it is the site's."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="caption_preference"
    )
    style = models.CharField(max_length=8, choices=_STYLES)

    def __str__(self) -> str:
        return f"{self.style} captions for {self.user_id}"


class ReviewDecision(models.Model):
    """What a person decided of a caption, with the words before and after. None is ever changed; undoing adds one."""

    class Kind(models.TextChoices):
        ACCEPT = "accept"
        EDIT = "edit"
        REJECT = "reject"
        SKIP = "skip"
        UNDO = "undo"

    frame = models.ForeignKey(Frame, on_delete=models.CASCADE, related_name="review_decisions")
    caption = models.ForeignKey(
        Caption, null=True, on_delete=models.SET_NULL, related_name="decisions", help_text="The model's row"
    )
    model_id = models.CharField(max_length=120, help_text="Who wrote what was decided of")
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="review_decisions"
    )
    kind = models.CharField(max_length=6, choices=Kind)
    before = models.TextField(help_text="The sentence that stood")
    after = models.TextField(blank=True, help_text="The sentence that stands now; empty for none")
    state_before = models.CharField(max_length=13, choices=Caption.State)
    undoes = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.CASCADE, related_name="undone_by"
    )
    decided_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["reviewer", "-id"], name="decisions_of_a_reviewer")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.before!r}"


class ReviewLease(models.Model):
    """A frame that one reviewer has before them, so that no other one gets it."""

    frame = models.OneToOneField(Frame, on_delete=models.CASCADE, related_name="review_lease")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    leased_until = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"frame {self.frame_id} until {self.leased_until}"


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


class FrameColour(models.Model):
    """A colour of which a frame has much, by `captioning.vision.colours`."""

    frame = models.ForeignKey(Frame, on_delete=models.CASCADE, related_name="colours")
    model_id = models.CharField(max_length=40)
    name = models.CharField(max_length=12)
    share = models.FloatField(help_text="Of the pixels")

    class Meta:
        ordering = ["-share"]
        constraints = [
            models.UniqueConstraint(fields=["frame", "model_id", "name"], name="frame_colour_once")
        ]
        indexes = [models.Index(fields=["model_id", "name"], name="frames_by_colour")]

    def __str__(self) -> str:
        return self.name


class FrameText(models.Model):
    """What is written in a frame, as a reader of the setting TEXT_READER read it; empty where it found nothing."""

    frame = models.OneToOneField(Frame, on_delete=models.CASCADE, related_name="picture_text")
    model_id = models.CharField(max_length=120, db_index=True)
    text = models.TextField(blank=True, help_text="Lines from top to bottom")
    confidence = models.FloatField(null=True, blank=True, help_text="Of the least sure line that was kept")
    read_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-frame_id"]

    def __str__(self) -> str:
        return " ".join(self.text.split())[:80] or "nothing to read"


class UnsafeScore(models.Model):
    """How likely a frame is unsafe, as the scorer of the setting UNSAFE_SCORER has it."""

    frame = models.OneToOneField(Frame, on_delete=models.CASCADE, related_name="unsafe_score")
    model_id = models.CharField(max_length=120, db_index=True)
    score = models.FloatField(help_text="From 0, harmless, to 1")

    class Meta:
        ordering = ["-score"]

    def __str__(self) -> str:
        return f"{self.score:.2f}"


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
