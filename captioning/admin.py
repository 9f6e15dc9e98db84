"""Captions and tags in the admin, to look at and to search; versions of the captioner, to promote and roll back."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from captioning import active, versions
from captioning.models import (
    AutoTag,
    Caption,
    CaptionerVersion,
    FrameText,
    Promotion,
    ReviewDecision,
    UnsafeScore,
)
from captioning.review_queue import DOUBTS
from core.admin_pages import Records
from core.errors import Conflict, ModelUnavailable, NeedsForce, SightlineError
from workers import pipeline


class DoubtFilter(admin.SimpleListFilter):
    """Captions by what the screen held against them."""

    title, parameter_name = "doubt", "doubt"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(doubt, words.capitalize()) for doubt, words in DOUBTS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        # The quoted name within the stored list: SQLite has no containment of JSON to ask for.
        chosen = self.value()
        if chosen not in DOUBTS:
            return None
        told: QuerySet[Any] = queryset.annotate(doubts_text=Cast("doubts", TextField()))
        return told.filter(doubts_text__contains=f'"{chosen}"')


@admin.register(Caption)
class CaptionAdmin(Records):
    """An edit here would hide whose words they are; a wrong caption is rejected, where captions are reviewed."""

    list_display = (
        *("frame", "text", "state", "doubts_said", "review_priority"),
        *("source", "model_id", "confidence", "match_score", "updated_at"),
    )
    list_filter = ("state", DoubtFilter, "source", "style", "model_id")
    search_fields = ["text"]

    @admin.display(description="doubts")
    def doubts_said(self, caption: Caption) -> str:
        return ", ".join(caption.doubts)


@admin.register(AutoTag)
class AutoTagAdmin(Records):
    list_display = ["name", "frame", "confidence", "model_id"]
    list_filter = ["model_id"]
    search_fields = ["name", "synonyms"]


@admin.register(FrameText)
class FrameTextAdmin(Records):
    list_display = ["__str__", "frame", "confidence", "model_id", "read_at"]
    list_filter = ["model_id"]
    search_fields = ["text"]


@admin.register(UnsafeScore)
class UnsafeScoreAdmin(Records):
    list_display = ["frame", "score", "model_id"]
    list_filter = ["model_id"]
    search_fields = ["model_id"]


@admin.register(CaptionerVersion)
class CaptionerVersionAdmin(Records):
    list_display = (
        *("model_id", "is_active", "cider", "bleu4", "meteor", "images_per_s"),
        *("offered", "note", "created_at"),
    )
    search_fields = ("model_id", "note")
    actions = ("promote",)
    change_list_template = "admin/captioning/captionerversion/change_list.html"

    @admin.display(description="active", boolean=True)
    def is_active(self, version: CaptionerVersion) -> bool:
        return version.model_id == active.active_caption_model_id_or_none()

    @admin.display(description="CIDEr")
    def cider(self, version: CaptionerVersion) -> float | None:
        return version.cider

    @admin.display(description="offered for promotion")
    def offered(self, version: CaptionerVersion) -> str:
        return versions.offer(version)

    @admin.display(description="BLEU-4")
    def bleu4(self, version: CaptionerVersion) -> Any:
        return version.metrics.get("bleu4")

    @admin.display(description="METEOR")
    def meteor(self, version: CaptionerVersion) -> Any:
        return version.metrics.get("meteor")

    @admin.display(description="photos/s")
    def images_per_s(self, version: CaptionerVersion) -> Any:
        return version.metrics.get("images_per_s")

    def has_promote_permission(self, request: HttpRequest) -> bool:
        """Whoever may change versions in Django's terms decides which one captions."""
        return request.user.has_perm("captioning.change_captionerversion")

    @admin.action(description="Promote: caption new photos by this version", permissions=["promote"])
    def promote(self, request: HttpRequest, chosen: QuerySet[CaptionerVersion]) -> HttpResponse | None:
        """Promote the one that is ticked; where its figures speak against it, ask first."""
        if chosen.count() != 1:
            self.message_user(request, "Tick one version.", messages.ERROR)
            return None
        version = chosen.get()
        try:
            pipeline.promote_captioner(version.model_id, _user(request), force="force" in request.POST)
        except NeedsForce as error:
            context = {**self.admin_site.each_context(request), "version": version, "reason": str(error)}
            return TemplateResponse(request, "admin/captioning/captionerversion/force.html", context)
        except (Conflict, ModelUnavailable) as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, f"{version} captions new photos from now on.", messages.SUCCESS)
        return None

    def get_urls(self) -> list[URLPattern]:
        rollback = self.admin_site.admin_view(require_POST(self.rollback))
        learn = self.admin_site.admin_view(require_POST(self.learn))
        return [
            path("rollback/", rollback, name="captioning_captionerversion_rollback"),
            path("learn/", learn, name="captioning_captionerversion_learn"),
            *super().get_urls(),
        ]

    def rollback(self, request: HttpRequest) -> HttpResponse:
        """Make the version before active again, and go back to the list."""
        if not self.has_promote_permission(request):
            raise PermissionDenied
        try:
            promotion = pipeline.roll_back_captioner(_user(request))
        except (Conflict, ModelUnavailable) as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, f"{promotion.version} is active again.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:captioning_captionerversion_changelist"))

    def learn(self, request: HttpRequest) -> HttpResponse:
        """Have the active version go on from what people reviewed; what comes out is offered in this list."""
        if not self.has_promote_permission(request):
            raise PermissionDenied
        try:
            job = pipeline.start_learning(_user(request))
        except SightlineError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(
                request, f"Job {job.pk}, {job.get_kind_display()}, is under way.", messages.SUCCESS
            )
        return HttpResponseRedirect(reverse("admin:captioning_captionerversion_changelist"))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, with the version to which a rollback would go and what pins the captioner, if anything."""
        versions.all_versions()  # those that register themselves are listed, too
        extra: dict[str, Any] = {
            "pinned_by": active.pinned_by(),
            "may_learn": self.has_promote_permission(request),
        }
        if self.has_promote_permission(request) and extra["pinned_by"] is None:
            extra["version_before"] = _version_before()
        return super().changelist_view(request, {**(extra_context or {}), **extra})


@admin.register(Promotion)
class PromotionAdmin(Records):
    list_display = ("version", "kind", "forced", "promoted_by", "promoted_at")
    list_filter = ("kind", "forced")
    list_select_related = ("version", "promoted_by")


@admin.register(ReviewDecision)
class ReviewDecisionAdmin(Records):
    list_display = ("decided_at", "reviewer", "kind", "before", "after", "frame", "model_id")
    list_filter = ("kind", ("reviewer", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("reviewer", "frame")
    search_fields = ("before", "after")
    date_hierarchy = "decided_at"


def _user(request: HttpRequest) -> Any:
    return request.user if request.user.is_authenticated else None


def _version_before() -> CaptionerVersion | None:
    try:
        return versions.version_before()
    except (Conflict, ModelUnavailable):
        return None
