"""Vectors of frames, and the sealed index files built from them. The rows are the truth."""

import uuid

from django.conf import settings
from django.db import models

from library.models import Asset, Frame
from search.index.where import UNKNOWN_LABELS


class Embedding(models.Model):
    """One vector of a frame in one space.

    `number` is given by `search.indexing`, in commit order: a reader that has seen number N has seen all below it.
    Null until the index stage has run; a re-embedded frame gets a new number.
    """

    frame = models.ForeignKey(Frame, on_delete=models.CASCADE, related_name="embeddings")
    space = models.CharField(max_length=16, help_text="image (pixels), caption (words) or texture (backbone)")
    model_id = models.CharField(max_length=120)
    vector = models.BinaryField(help_text="Unit-length float32, little-endian")
    number = models.BigIntegerField(null=True, blank=True, unique=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["frame", "space", "model_id"], name="embedding_once")]
        indexes = [
            models.Index(fields=["space", "model_id", "number"], name="embedding_by_number"),
            models.Index(fields=["frame"], condition=models.Q(number=None), name="embedding_unnumbered"),
        ]

    def __str__(self) -> str:
        return f"{self.space} vector of frame {self.frame_id}"


class IndexPosition(models.Model):
    """The last number given to an embedding: one row, written in the transaction that gives the numbers.

    It never goes back, though the newest rows may be deleted: a number is given once.
    """

    token = models.UUIDField(default=uuid.uuid4, help_text="Tells this numbering from another database's")
    last_number = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"numbered up to {self.last_number}"


class AssetColumns(models.Model):
    """What filters ask of an asset, as every index has it beside its frames' vectors (`search.index.where.COLUMNS`).

    Written by the index stage; where it changes the vectors get new numbers, and so every reader follows.
    """

    asset = models.OneToOneField(
        Asset, on_delete=models.CASCADE, primary_key=True, related_name="index_columns"
    )
    owner = models.BigIntegerField(help_text="Id of the user")
    public = models.BigIntegerField(help_text="1 where everybody may see it, else 0")
    moment = models.BigIntegerField(help_text="Taken, else uploaded: microseconds since 1970")
    labels_a = models.BigIntegerField(
        db_default=UNKNOWN_LABELS, help_text="Bits of its tags and colours, and of whether it was reviewed"
    )
    labels_b = models.BigIntegerField(db_default=UNKNOWN_LABELS)
    labels_c = models.BigIntegerField(db_default=UNKNOWN_LABELS)
    labels_d = models.BigIntegerField(db_default=UNKNOWN_LABELS)

    class Meta:
        # Those of whose columns something holds, but for labels, are listed without a look at any row.
        indexes = [
            models.Index(fields=["owner", "public", "moment", "asset"], name="columns_by_owner"),
            models.Index(fields=["moment", "public", "owner", "asset"], name="columns_by_moment"),
        ]

    def __str__(self) -> str:
        return f"columns of asset {self.asset_id}"


class KeywordDocument(models.Model):
    """The words by which an asset is found, as `search.keywords.words` normalises them.

    `description` also holds what is written in the picture: found by as much as by a person's description.

    The database's own full-text index follows this table: triggers on SQLite, a generated column on PostgreSQL
    (both in a migration). Written by `search.indexing` only.
    """

    asset = models.OneToOneField(
        Asset, on_delete=models.CASCADE, primary_key=True, related_name="keyword_document"
    )
    names = models.TextField(blank=True, help_text="Title and people's tags")
    captions = models.TextField(blank=True)
    auto_tags = models.TextField(blank=True, help_text="Names and synonyms of the classes seen")
    description = models.TextField(blank=True)
    asset_updated_at = models.DateTimeField(
        null=True, help_text="Of the asset when it was read; else it is stale"
    )
    captions_updated_at = models.DateTimeField(
        null=True, help_text="Of the newest caption when they were read"
    )

    def __str__(self) -> str:
        return f"words of asset {self.asset_id}"


class Generation(models.Model):
    """One sealed index file. Live is the newest published one of its space and model."""

    class State(models.TextChoices):
        BUILDING = "building"
        LIVE = "live"
        RETIRED = "retired"
        FAILED = "failed"

    space = models.CharField(max_length=16)
    model_id = models.CharField(max_length=120)
    dimension = models.PositiveIntegerField()
    count = models.PositiveBigIntegerField(default=0)
    last_number = models.BigIntegerField(default=0, help_text="Rows above it are the tail")
    engine = models.CharField(max_length=120, default="faiss", help_text="As VECTOR_ENGINE named it")
    file_name = models.CharField(max_length=200, blank=True)
    recall_at_10 = models.FloatField(
        null=True, help_text="Against the exact oracle, on a sample, at publication"
    )
    kind = models.CharField(
        max_length=12, blank=True, help_text="flat, sq8, ivf, hnsw or rabitq; or the engine's own word"
    )
    latency_ms = models.FloatField(
        null=True, help_text="Median of a query on the same sample, at publication"
    )
    memory_bytes = models.PositiveBigIntegerField(null=True, help_text="Expected resident in one reader")
    why = models.TextField(blank=True, help_text="How this kind was chosen, in words")
    state = models.CharField(max_length=8, choices=State, default=State.BUILDING)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"generation {self.pk} of {self.space}"


class SuggestedWords(models.Model):
    """What of one asset is counted for suggestions and spelling: the words of its captions, its tags, its other words.

    Written by `search.suggesting` with the asset's document. It goes with its asset, so nothing deleted is suggested.
    """

    asset = models.OneToOneField(
        Asset, on_delete=models.CASCADE, primary_key=True, related_name="suggested_words"
    )
    EVERYBODY = 0

    audience = models.BigIntegerField(help_text="0: everybody; else the id of the owner of a private asset")
    words = models.TextField(help_text="Between blanks, one at each end too")
    tags = models.TextField(help_text="Between line breaks, one at each end too; in lower case")
    others = models.TextField(
        default="", help_text="Words that stand in no caption of it, as `words`; empty: not counted yet"
    )

    def __str__(self) -> str:
        return f"suggestions from asset {self.asset_id}"


class Suggestion(models.Model):
    """How many assets of one audience hold a word or tag, near enough: the nightly count puts it right.

    Only for the order of suggestions and corrections: whether the viewer may see such an asset is asked each time.
    """

    class Kind(models.TextChoices):
        WORD = "word"
        TAG = "tag"
        OTHER = "other", "word outside captions: known to spelling, not suggested"

    audience = models.BigIntegerField(help_text="As in SuggestedWords")
    kind = models.CharField(max_length=5, choices=Kind)
    text = models.CharField(max_length=64, db_index=True, help_text="In lower case")
    count = models.IntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["audience", "text", "kind"], name="suggestion_once_per_audience")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.text}"


class SavedSearch(models.Model):
    """A query that its owner wants to ask again."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_searches"
    )
    name = models.CharField(max_length=80)
    query = models.TextField()
    sort = models.CharField(max_length=9)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="saved_search_once")]

    def __str__(self) -> str:
        return self.name


class SearchRecord(models.Model):
    """That something was searched for. Nothing in it says by whom: no user, no address."""

    query = models.TextField()
    found = models.PositiveIntegerField(help_text="Photos of the first page that fit to any degree")
    took_ms = models.PositiveIntegerField()
    at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "search"
        verbose_name_plural = "searches"

    def __str__(self) -> str:
        return self.query


class SearchClick(models.Model):
    """That a result of a recorded search was opened."""

    search = models.ForeignKey(SearchRecord, on_delete=models.CASCADE, related_name="clicks")
    asset = models.ForeignKey(Asset, on_delete=models.CASCADE, related_name="+")
    place = models.PositiveIntegerField(help_text="Its place among the results, from 1")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["search", "asset"], name="click_once")]

    def __str__(self) -> str:
        return f"asset {self.asset_id}, result {self.place}"


class SpaceModel(models.Model):
    """An embedder that has been, is or may become the one of a space. Its vectors lie beside the others' as rows."""

    space = models.CharField(max_length=16)
    model_id = models.CharField(max_length=120)
    embedder = models.CharField(max_length=200, help_text="Dotted path of its class")
    checkpoint = models.CharField(
        max_length=500, blank=True, help_text="Folder of its weights, where it has one"
    )
    figures = models.JSONField(
        default=dict,
        blank=True,
        help_text="As evaluate_search prints them, by this model and by the active one",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["space", "model_id"], name="space_model_once")]

    def __str__(self) -> str:
        return f"{self.model_id} of {self.space}"


class SpaceSwitch(models.Model):
    """A model was made the one of its space. The newest row of a space says which one is; none is ever changed."""

    model = models.ForeignKey(SpaceModel, on_delete=models.PROTECT, related_name="switches")
    rollback = models.BooleanField(default=False)
    switched_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{'back to' if self.rollback else 'to'} {self.model}"
