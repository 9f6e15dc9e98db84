"""Generations in the admin: what is live, how good it is, and a rebuild at a click."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from search.models import Generation
from workers import pipeline


@admin.register(Generation)
class GenerationAdmin(admin.ModelAdmin[Generation]):
    """Read-only: generations are made by rebuilding, never by hand."""

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

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_rebuild_permission(self, request: HttpRequest) -> bool:
        """Whoever may change generations in Django's terms may have them built anew."""
        return request.user.has_perm("search.change_generation")
