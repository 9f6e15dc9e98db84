"""What workers are doing, what failed and why, and long jobs with their progress."""

from django.conf import settings
from django.db import models

from captioning.models import CaptionerVersion


class StageRun(models.Model):
    """A subject that a stage was asked for, holds, tries again or gave up: an asset or a frame.

    No row: nothing to say. What is *done* is asked of the data itself, never of this table, and a success deletes
    its row; so a row always means work that was wanted and is not yet done.
    """

    class State(models.TextChoices):
        ASKED = "asked", "asked for"
        RUNNING = "running"
        RETRY = "retry", "waiting for another try"
        FAILED = "failed"
        PARKED = "parked", "parked: killed its worker too often"

    stage = models.CharField(max_length=16)
    subject_id = models.BigIntegerField(help_text="Asset id for the stage frames, else frame id")
    state = models.CharField(max_length=8, choices=State, default=State.RUNNING, db_index=True)
    worker = models.CharField(max_length=120, blank=True)
    attempts = models.PositiveIntegerField(default=0, help_text="Tries that ended in an error")
    deliveries = models.PositiveIntegerField(
        default=0, help_text="Claims begun; more than tries means a worker died"
    )
    alone = models.BooleanField(
        default=False, help_text="Tried by itself: it may be what broke its last batch"
    )
    express = models.BooleanField(default=False, help_text="A fresh single upload, ahead of bulk imports")
    job = models.ForeignKey(
        "Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="stage_runs"
    )
    claimed_until = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-updated_at"]
        constraints = [models.UniqueConstraint(fields=["stage", "subject_id"], name="one_run_per_subject")]
        indexes = [
            models.Index(fields=["stage", "state"]),
            # A job may ask for a million frames; the few that go first must be found among them at once.
            models.Index(fields=["stage"], condition=models.Q(express=True), name="express_runs"),
            models.Index(fields=["stage"], condition=models.Q(alone=True), name="suspect_runs"),
        ]

    def __str__(self) -> str:
        return f"{self.stage} of {self.subject_id}: {self.state}"

    @property
    def deaths(self) -> int:
        """Claims that ended without a verdict, because the worker died over them."""
        return self.deliveries - self.attempts - (self.state == self.State.RUNNING)


class Job(models.Model):
    """A long piece of work somebody asked for, with progress: rebuild an index, caption photos again."""

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        PAUSED = "paused"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    class Kind(models.TextChoices):
        REBUILD_INDEX = "rebuild_index", "rebuild the index"
        RECAPTION = "recaption", "caption again"
        FOLLOW_CAPTIONER = "follow_captioner", "follow a change of captioner"
        LEARN_AGAIN = "learn_again", "learn from reviews"
        LEARN_BEHAVIOUR = "learn_behaviour", "learn from visitors"
        DELETE_ACCOUNT = "delete_account", "delete the account of who asks"

    kind = models.CharField(max_length=32, choices=Kind)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING, db_index=True)
    done = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(default=0)
    error = models.TextField(blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="jobs"
    )
    worker = models.CharField(max_length=120, blank=True)
    deliveries = models.PositiveIntegerField(
        default=0, help_text="Starts; after three without an end it has failed"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"job {self.pk}: {self.kind} {self.state}"

    def change(self, **values: object) -> None:
        """Sets these columns, and saves no others."""
        for name, value in values.items():
            setattr(self, name, value)
        self.save(update_fields=list(values))


class RecaptionRun(models.Model):
    """What a job of the kind RECAPTION is about: which frames, by which version, and how far it has asked.

    The job holds state, progress, who asked for it and when. Frames are asked for in chunks from the newest down, so
    that a pause has little to take back; new uploads overtake them in any case.
    """

    job = models.OneToOneField(Job, on_delete=models.CASCADE, related_name="recaption")
    version = models.ForeignKey(CaptionerVersion, on_delete=models.PROTECT, related_name="recaption_runs")
    selection = models.JSONField(default=dict, help_text="captioning.recaptioning.Selection")
    asked = models.PositiveBigIntegerField(default=0, help_text="Frames handed to the describe stage so far")
    failed = models.PositiveBigIntegerField(default=0, help_text="Of these, given up: see the stage runs")
    next_below = models.BigIntegerField(
        null=True, help_text="Frames with lower ids are still to be asked for; empty: all"
    )

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"recaption run {self.pk} by {self.version}"
