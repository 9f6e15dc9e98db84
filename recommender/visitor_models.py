"""What visitors of sites did, what was learned from it, and what editors and experiments change. Use them from
`recommender.models`."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from library.models import Asset


class Interaction(models.Model):
    """What a visitor of a site did with an item or a photo, as the site told us.

    A visitor is whatever name the site gives them; it is never an address of the network. What an answer was, that the
    visitor acted on, is read from its signed id and kept in parts: `recommendation` tells answers apart.
    """

    class Kind(models.TextChoices):
        IMPRESSION = "impression"
        VIEW = "view"
        DWELL = "dwell"
        CLICK = "click"
        LIKE = "like"
        DISMISS = "dismiss"
        PURCHASE = "purchase"

    site = models.ForeignKey("recommender.Site", on_delete=models.CASCADE, related_name="interactions")
    visitor = models.CharField(max_length=64)
    kind = models.CharField(max_length=10, choices=Kind)
    item = models.ForeignKey(
        "recommender.Item", null=True, blank=True, on_delete=models.CASCADE, related_name="interactions"
    )
    asset = models.ForeignKey(
        Asset, null=True, blank=True, on_delete=models.CASCADE, related_name="interactions"
    )
    seconds = models.FloatField(null=True, blank=True, help_text="How long, for dwell")
    recommendation = models.CharField(max_length=16, blank=True)
    scenario = models.CharField(max_length=64, blank=True)
    arm = models.CharField(max_length=80, blank=True, help_text="Experiment and variant: 3:more-variety")
    at = models.DateTimeField(help_text="When it happened, by the site's clock")
    received_at = models.DateTimeField(auto_now_add=True)
    key = models.CharField(max_length=64, help_text="The same again is the same interaction")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["site", "key"], name="interaction_once_per_site"),
            models.CheckConstraint(
                condition=models.Q(item__isnull=True) ^ models.Q(asset__isnull=True),
                name="interaction_of_one",
            ),
        ]
        indexes = [
            models.Index(fields=["site", "visitor", "-at"], name="interactions_of_visitor"),
            models.Index(fields=["site", "at"], name="interactions_by_time"),
            models.Index(
                fields=["site", "arm", "kind"], condition=~models.Q(arm=""), name="interactions_of_arm"
            ),
            # What is learned from (visitor_selectors.actions_of), in the order in which it came. With kind, so that
            # SQLite counts without a look at the rows.
            models.Index(
                fields=["site", "received_at", "kind"],
                condition=~models.Q(kind="impression") & ~models.Q(kind="dismiss"),
                name="interactions_to_learn",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} by {self.visitor}"


class LearnedBehaviour(models.Model):
    """What the interactions of a site taught, of items and photos alone: nobody is in it. The newest one stands."""

    site = models.OneToOneField(
        "recommender.Site", on_delete=models.CASCADE, related_name="learned_behaviour"
    )
    learned_at = models.DateTimeField()
    interactions = models.PositiveBigIntegerField(help_text="That it was learned from")
    arrays = models.BinaryField(help_text="recommender.learned_behaviour.Learned, as npz")

    def __str__(self) -> str:
        return f"behaviour of {self.site}, {self.learned_at:%Y-%m-%d %H:%M}"


class Rule(models.Model):
    """An editor's wish for all lists of a site: some items further up, or further down, or never."""

    class Effect(models.TextChoices):
        BOOST = "boost", "further up"
        BURY = "bury", "further down"
        HIDE = "hide", "never"

    site = models.ForeignKey("recommender.Site", on_delete=models.CASCADE, related_name="rules")
    effect = models.CharField(max_length=5, choices=Effect)
    external_id = models.CharField(max_length=200, blank=True, help_text="One item; or else")
    tag = models.CharField(max_length=64, blank=True, help_text="every item with this tag")
    strength = models.FloatField(
        default=1.0,
        validators=[MinValueValidator(0.0), MaxValueValidator(10.0)],
        help_text="In standard deviations of the scores: 1 is noticed, 3 goes to the top",
    )
    from_at = models.DateTimeField(null=True, blank=True, help_text="Empty: at once")
    until_at = models.DateTimeField(null=True, blank=True, help_text="Empty: for good")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(external_id="") ^ models.Q(tag=""), name="rule_names_an_item_or_a_tag"
            )
        ]

    def __str__(self) -> str:
        return f"{self.effect} {self.external_id or 'tag ' + self.tag}"


class Experiment(models.Model):
    """Variants of a site's recommendations, shown to different visitors; who clicks more often is counted."""

    class State(models.TextChoices):
        DRAFT = "draft"
        RUNNING = "running"
        STOPPED = "stopped"

    site = models.ForeignKey("recommender.Site", on_delete=models.CASCADE, related_name="experiments")
    name = models.CharField(max_length=80)
    scenario = models.CharField(max_length=64, blank=True, help_text="Only there; empty: everywhere")
    state = models.CharField(max_length=7, choices=State, default=State.DRAFT)
    variants = models.JSONField(help_text="The first is the control: recommender.experiments.Variant")
    stops_by_itself = models.BooleanField(default=True, help_text="As soon as a difference is certain enough")
    least_impressions = models.PositiveIntegerField(default=1000, help_text="Of each variant, before it may")
    started_at = models.DateTimeField(null=True, blank=True)
    stopped_at = models.DateTimeField(null=True, blank=True)
    stopped_because = models.CharField(max_length=200, blank=True)
    counts = models.JSONField(
        null=True,
        blank=True,
        help_text="Of each variant, shown and clicked until it was stopped; empty: to be counted",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["site", "scenario"],
                condition=models.Q(state="running"),
                name="one_running_experiment_per_scenario",
            )
        ]

    def __str__(self) -> str:
        return self.name
