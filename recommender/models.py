"""Sites that show related content on their own pages, their keys and origins, and what they publish."""

import uuid

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from library.models import Asset
from recommender.visitor_models import Experiment as Experiment
from recommender.visitor_models import Interaction as Interaction
from recommender.visitor_models import LearnedBehaviour as LearnedBehaviour
from recommender.visitor_models import Rule as Rule


class Site(models.Model):
    """A web site of somebody's: it has keys, items and settings of its own. The slug stands in addresses and keys."""

    class Assets(models.TextChoices):
        """Which photos of the gallery may stand beside the site's own items."""

        PUBLIC = "public", "every public photo"
        OWN = "own", "public photos of the site's owner"
        NONE = "none", "none"

    slug = models.SlugField(max_length=40, unique=True, help_text="Small letters, digits and hyphens")
    name = models.CharField(max_length=120)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sites")
    shows_assets = models.CharField(max_length=6, choices=Assets, default=Assets.PUBLIC)
    diversity = models.FloatField(
        default=0.3,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text="How much variety counts against likeness in related lists, from 0 to 1",
    )
    requests_per_minute = models.PositiveIntegerField(
        default=600, help_text="Of each of its keys; 0: any number"
    )
    webhook_url = models.URLField(
        max_length=2000, blank=True, help_text="Told when a caption is ready or corrected"
    )
    webhook_secret = models.CharField(
        max_length=64,
        blank=True,
        help_text="Signs what the webhook is sent; kept as it is, since signing needs it",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.slug


class SiteOrigin(models.Model):
    """Where the site's pages live, as browsers name it: scheme, host and port."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="origins")
    origin = models.CharField(max_length=255, db_index=True, help_text="Such as https://www.example.org")

    class Meta:
        ordering = ["origin"]
        constraints = [models.UniqueConstraint(fields=["site", "origin"], name="origin_once_per_site")]

    def __str__(self) -> str:
        return self.origin


class SiteKey(models.Model):
    """Lets a site in. The secret one is its server's; the publishable one stands in its pages, reads only, and works
    from the site's origins only. Of both a hash is kept."""

    class Kind(models.TextChoices):
        SECRET = "secret"  # noqa: S105 - a name, not a secret
        PUBLISHABLE = "publishable"

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="keys")
    kind = models.CharField(max_length=11, choices=Kind)
    name = models.CharField(max_length=80)
    hint = models.CharField(max_length=60, help_text="How the key begins, to know it again")
    token_sha256 = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"


class Item(models.Model):
    """What a site publishes: an article, a product, a guide. Identity is (site, external_id)."""

    class Picture(models.TextChoices):
        """What became of the picture that the site gave."""

        NONE = "none"
        WAITING = "waiting", "to be fetched"
        READY = "ready"
        REFUSED = "refused"

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="items")
    external_id = models.CharField(max_length=200)
    title = models.CharField(max_length=300, blank=True)
    text = models.TextField(blank=True)
    url = models.URLField(max_length=2000, blank=True)
    language = models.CharField(max_length=35, blank=True, help_text="BCP 47, such as en or pt-BR")
    tags = models.JSONField(default=list, blank=True)
    attributes = models.JSONField(
        default=dict, blank=True, help_text="Names to texts, numbers, truths or lists"
    )
    published_at = models.DateTimeField(null=True, blank=True, help_text="Shown from then on; empty: at once")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Shown until then; empty: for good")
    content_sha256 = models.CharField(
        max_length=64, help_text="Of everything that the site sent: the same changes nothing"
    )

    image_url = models.URLField(max_length=2000, blank=True)
    asset = models.ForeignKey(
        Asset, null=True, blank=True, on_delete=models.SET_NULL, related_name="items", help_text="Its picture"
    )
    picture_state = models.CharField(max_length=7, choices=Picture, default=Picture.NONE)
    picture_error = models.CharField(max_length=300, blank=True, help_text="Why the picture was refused")
    picture_due_at = models.DateTimeField(null=True, blank=True, help_text="When it is fetched (again)")
    picture_attempts = models.PositiveSmallIntegerField(default=0)
    words_due_at = models.DateTimeField(
        null=True, blank=True, help_text="When they are encoded again, after a try in vain"
    )
    words_attempts = models.PositiveSmallIntegerField(default=0)

    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["site", "external_id"], name="item_once_per_site")]
        indexes = [
            models.Index(
                fields=["picture_due_at"],
                condition=models.Q(picture_state="waiting"),
                name="pictures_to_fetch",
            ),
            models.Index(
                fields=["words_due_at"], condition=models.Q(words_attempts__gt=0), name="words_to_try_again"
            ),
            models.Index(fields=["site", "asset"], name="item_by_picture"),
        ]

    def __str__(self) -> str:
        return self.title or self.external_id


class ItemVector(models.Model):
    """What an item's words mean: one vector in one space, pooled over the parts of a long text.

    `number` is given in commit order, as with `search.Embedding`: a reader that has seen number N has seen all below.
    """

    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="vectors")
    space = models.CharField(
        max_length=16, help_text="image (what it would look like) or caption (what it says)"
    )
    model_id = models.CharField(max_length=120)
    vector = models.BinaryField(help_text="Unit-length float32, little-endian")
    words_sha256 = models.CharField(max_length=64, help_text="Of the words it was made of")
    number = models.BigIntegerField(unique=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["item", "space", "model_id"], name="item_vector_once")]
        indexes = [models.Index(fields=["space", "model_id", "number"], name="item_vector_by_number")]

    def __str__(self) -> str:
        return f"{self.space} vector of item {self.item_id}"


class ItemPosition(models.Model):
    """The last number given to a vector of an item: one row, locked by who gives numbers until the commit."""

    token = models.UUIDField(default=uuid.uuid4, help_text="Tells this numbering from another database's")
    last_number = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"numbered up to {self.last_number}"


class WebhookMessage(models.Model):
    """What a site is to be told, and whether it has been. Written with what it tells of, sent by a worker."""

    class Event(models.TextChoices):
        READY = "caption.ready"
        CORRECTED = "caption.corrected"
        REFUSED = "picture.refused"

    class State(models.TextChoices):
        WAITING = "waiting"
        DELIVERED = "delivered"
        GIVEN_UP = "given_up", "given up"

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="webhook_messages")
    item = models.ForeignKey(Item, null=True, on_delete=models.SET_NULL, related_name="webhook_messages")
    event = models.CharField(max_length=20, choices=Event)
    key = models.UUIDField(
        unique=True, help_text="The same at each try: the receiver knows repetitions by it"
    )
    body = models.JSONField()
    state = models.CharField(max_length=9, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(state="waiting"), name="webhooks_to_send"),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.site_id}"
