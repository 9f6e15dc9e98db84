"""Assets and keys in Django's admin. Every change goes through the services, and places stay with their owners."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm, ValidationError
from django.http import HttpRequest

from core.errors import InvalidInput
from library import api_keys, asset_store
from library.details import checked_description, checked_title
from library.models import ApiKey, Asset
from library.selectors import tag_names
from workers import pipeline


class AssetForm(ModelForm[Asset]):
    """The words of an asset by the rules of `library.details`."""

    def clean_title(self) -> str:
        return _checked(checked_title, self.cleaned_data["title"])

    def clean_description(self) -> str:
        return _checked(checked_description, self.cleaned_data["description"])


def _checked(check: Callable[[str], str], text: str) -> str:
    try:
        return check(text)
    except InvalidInput as error:
        raise ValidationError(str(error)) from error


@admin.register(Asset)
class AssetAdmin(admin.ModelAdmin[Asset]):
    list_display = (
        "id",
        "__str__",
        "owner",
        "visibility",
        "mime_type",
        "width_px",
        "height_px",
        "created_at",
    )
    list_filter = ("visibility", "mime_type", "created_at")
    list_select_related = ("owner",)
    search_fields = ("title", "original_name", "sha256", "owner__username")
    form = AssetForm
    # What was read from the file is a fact, and latitude and longitude are for the owner alone.
    fields = (
        *(
            "owner",
            "title",
            "description",
            "visibility",
            "tag_names",
            "original_name",
            "mime_type",
            "size_bytes",
        ),
        *("width_px", "height_px", "sha256", "taken_at", "camera"),
        *("unsafe_score", "created_at", "updated_at"),
    )
    readonly_fields = (
        *(
            "owner",
            "tag_names",
            "original_name",
            "mime_type",
            "size_bytes",
            "width_px",
            "height_px",
            "sha256",
        ),
        *("taken_at", "camera", "unsafe_score", "created_at", "updated_at"),
    )

    @admin.display(description="tags")
    def tag_names(self, asset: Asset) -> str:
        return ", ".join(tag_names(asset))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Asset, form: ModelForm[Asset], change: bool) -> None:
        asset_store.update_asset(obj, title=obj.title, description=obj.description, visibility=obj.visibility)
        transaction.on_commit(pipeline.wake)

    def delete_model(self, request: HttpRequest, obj: Asset) -> None:
        asset_store.delete_asset(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Asset]) -> None:
        for asset in queryset:
            asset_store.delete_asset(asset)


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin[ApiKey]):
    list_display = ("name", "prefix", "owner", "scopes", "created_at", "last_used_at", "revoked_at")
    list_filter = ("revoked_at", "created_at")
    search_fields = ("name", "prefix", "owner__username")
    fields = readonly_fields = (
        "name",
        "prefix",
        "owner",
        "scopes",
        "created_at",
        "last_used_at",
        "revoked_at",
    )
    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.action(description="Revoke the selected keys")
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset.select_related("owner"):
            api_keys.revoke_key(key.owner, key.pk)
        self.message_user(request, "The keys work no more.")
