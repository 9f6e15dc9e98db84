"""Captions and tags in the admin, to look at and to search."""

from django.contrib import admin
from django.http import HttpRequest

from captioning.models import AutoTag, Caption


@admin.register(Caption)
class CaptionAdmin(admin.ModelAdmin[Caption]):
    list_display = ["frame", "text", "source", "model_id", "confidence", "match_score", "updated_at"]
    list_filter = ["source", "model_id"]
    search_fields = ["text"]
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # the model and the owner write captions; an edit here would hide whose words they are

    def has_change_permission(self, request: HttpRequest, obj: Caption | None = None) -> bool:
        return False


@admin.register(AutoTag)
class AutoTagAdmin(admin.ModelAdmin[AutoTag]):
    list_display = ["name", "frame", "confidence", "model_id"]
    list_filter = ["model_id"]
    search_fields = ["name", "synonyms"]
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AutoTag | None = None) -> bool:
        return False
