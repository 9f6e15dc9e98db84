"""What was uploaded, by whom, and who may see it."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Coalesce, Upper

#: Of an asset: when it was taken, else uploaded.
DATED_AT = Coalesce("taken_at", "created_at", output_field=models.DateTimeField())
#: Its visibility in words that lists by date alone use: others would be read in the order of dates, from all over the
#: table, by a database that takes an index of both for the better one.
SEEN_BY = Upper("visibility")


class Asset(models.Model):
    """One uploaded picture of one owner. Identity is (owner, sha256)."""

    class Kind(models.TextChoices):
        IMAGE = "image"

    class Visibility(models.TextChoices):
        PRIVATE = "private"
        PUBLIC = "public"

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="assets")
    sha256 = models.CharField(max_length=64, db_index=True)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.IMAGE)
    mime_type = models.CharField(max_length=64)
    original_key = models.CharField(
        max_length=160, help_text="Key in storage: originals/ab/cd/<sha256>.<ext>"
    )
    original_name = models.CharField(max_length=255, blank=True)
    size_bytes = models.PositiveBigIntegerField()
    width_px = models.PositiveIntegerField(help_text="After the EXIF orientation is applied")
    height_px = models.PositiveIntegerField()
    perceptual_hash = models.CharField(
        max_length=16, db_index=True, help_text="64-bit pHash in hex, for near-duplicates"
    )
    blurhash = models.CharField(max_length=64, blank=True)

    title = models.CharField(max_length=200, blank=True)
    description = models.TextField(blank=True, max_length=5000)
    visibility = models.CharField(max_length=8, choices=Visibility, default=Visibility.PRIVATE, db_index=True)
    in_gallery = models.BooleanField(
        default=True,
        editable=False,
        help_text="A person put it there; false: it only came with something else, and goes with that",
    )

    taken_at = models.DateTimeField(null=True, blank=True)
    camera = models.CharField(max_length=120, blank=True)
    unsafe_score = models.FloatField(
        null=True, blank=True, editable=False, help_text="Of its most unsafe frame; empty: not scored"
    )
    judged_unsafe = models.BooleanField(
        null=True, blank=True, editable=False, help_text="What a person said, which beats the score"
    )
    latitude = models.FloatField(null=True, blank=True, help_text="Shown to the owner only")
    longitude = models.FloatField(null=True, blank=True, help_text="Shown to the owner only")

    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["owner", "sha256"], name="asset_once_per_owner")]
        # Together: a database that has no statistics takes "public" for rarer than a month, and reads all public ones.
        # Of dated photos only, so that nothing that asks for no date is answered by it, in the order of dates.
        indexes = [
            models.Index(
                fields=["visibility", "taken_at"],
                condition=models.Q(taken_at__isnull=False),
                name="asset_seen_by_date",
            ),
            # Lists by date, of all and of one person: read from the newest on, and no further than a page.
            models.Index(SEEN_BY, DATED_AT.desc(), models.F("id").desc(), name="asset_dated"),
            models.Index(
                SEEN_BY,
                models.F("owner"),
                DATED_AT.desc(),
                models.F("id").desc(),
                name="asset_dated_of_owner",
            ),
        ]

    def __str__(self) -> str:
        return self.title or self.original_name or f"asset {self.pk}"


class AssetTag(models.Model):
    """A word that a person (or an imported file's metadata) put on an asset."""

    asset = models.ForeignKey(Asset, on_delete=models.CASCADE, related_name="tags")
    name = models.CharField(max_length=64)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["asset", "name"], name="tag_once_per_asset")]
        indexes = [models.Index(Upper("name"), "asset", name="tag_in_any_case")]

    def __str__(self) -> str:
        return self.name


class SafetyStatement(models.Model):
    """What a person said of a photo's safety. None is ever changed; one that was taken back says by whom and when.

    The newest that is not taken back holds; where that is a request, it waits for a moderator.
    """

    class Kind(models.TextChoices):
        SAFE = "safe"
        UNSAFE = "unsafe"
        ASK = "ask", "please look again"

    asset = models.ForeignKey(Asset, on_delete=models.CASCADE, related_name="safety_statements")
    kind = models.CharField(max_length=6, choices=Kind)
    note = models.CharField(max_length=500, blank=True)
    said_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="safety_statements"
    )
    said_at = models.DateTimeField(auto_now_add=True)
    taken_back_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    taken_back_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        permissions = [("judge_safety", "Can say which photos are safe for everybody")]

    def __str__(self) -> str:
        return f"asset {self.asset_id}: {self.get_kind_display()}"


class Frame(models.Model):
    """One still of an asset; an image has exactly one, number 0. Everything downstream sees frames."""

    asset = models.ForeignKey(Asset, on_delete=models.CASCADE, related_name="frames")
    number = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["asset", "number"], name="frame_once_per_asset")]

    def __str__(self) -> str:
        return f"frame {self.number} of asset {self.asset_id}"


class ApiKey(models.Model):
    """A secret that acts for its owner within scopes. Only a hash is kept; the prefix finds the row."""

    class Scope(models.TextChoices):
        READ = "read"
        WRITE = "write"
        ADMIN = "admin"

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12, unique=True)
    secret_sha256 = models.CharField(max_length=64)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
