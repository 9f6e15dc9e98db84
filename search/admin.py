"""In the admin: what index is live and how good it is, and what people searched for in vain."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from core.admin_pages import Records
from search.models import Generation, SearchRecord
from search.recording import unanswered, unopened
from workers import pipeline


@admin.register(Generation)
class GenerationAdmin(Records):
    """Generations are made by rebuilding."""

    list_display = (
        "id",
        "space",
        "model_id",
        "state",
        "count",
        "engine",
        "kind",
        "recall_at_10",
        "latency_ms",
        "memory_mb",
        "why",
        "last_number",
        "created_at",
    )
    list_filter = ("space", "state", "kind", "model_id")
    actions = ("rebuild",)

    @admin.display(description="memory (MB)", ordering="memory_bytes")
    def memory_mb(self, row: Generation) -> str:
        return "" if row.memory_bytes is None else f"{row.memory_bytes / 1e6:,.1f}"

    @admin.action(description="Rebuild the index (all of it, whatever is ticked)", permissions=["rebuild"])
    def rebuild(self, request: HttpRequest, queryset: QuerySet[Generation]) -> None:
        """A job with progress, run by a worker."""
        job = pipeline.start_job("rebuild_index", request.user if request.user.is_authenticated else None)
        self.message_user(
            request, f"Job {job.pk} rebuilds the index; searches go on meanwhile.", messages.SUCCESS
        )

    def has_rebuild_permission(self, request: HttpRequest) -> bool:
        """Whoever may change generations in Django's terms may have them built anew."""
        return request.user.has_perm("search.change_generation")


_REPORTED_DAYS = 30


@admin.register(SearchRecord)
class SearchRecordAdmin(admin.ModelAdmin[SearchRecord]):
    """What was searched for, where the settings have it kept. Read-only, but it may be deleted."""

    list_display = ("query", "found", "clicks", "took_ms", "at")
    list_filter = ("at",)
    search_fields = ("query",)
    date_hierarchy = "at"
    change_list_template = "admin/search/searchrecord/change_list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[SearchRecord]:
        return super().get_queryset(request).annotate(opened=Count("clicks"))

    @admin.display(ordering="opened")
    def clicks(self, record: Any) -> int:
        """How many different results were opened."""
        return int(record.opened)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return super().changelist_view(
            request, {**(extra_context or {}), "recorded": settings.RECORD_SEARCHES}
        )

    def get_urls(self) -> list[URLPattern]:
        report = self.admin_site.admin_view(self.report)
        return [path("report/", report, name="search_searchrecord_report"), *super().get_urls()]

    def report(self, request: HttpRequest) -> HttpResponse:
        """Queries that found nothing, and those of whose results nobody opened any."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        groups = [
            ("Found nothing", unanswered(_REPORTED_DAYS)),
            ("Found something that nobody opened", unopened(_REPORTED_DAYS)),
        ]
        context = {**self.admin_site.each_context(request), "days": _REPORTED_DAYS, "groups": groups}
        return TemplateResponse(request, "admin/search/searchrecord/report.html", context)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
