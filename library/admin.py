"""Assets and keys in Django's admin. Every change goes through the services, and places stay with their owners."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm, ValidationError
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from core.admin_pages import DeletedWhole
from core.errors import Conflict, InvalidInput, NotAllowed, NotFound
from library import api_keys, asset_store, safety
from library.details import checked_description, checked_title
from library.models import ApiKey, Asset, SafetyStatement
from library.safety_selectors import asked_to_look_again, may_judge, statements_of
from library.selectors import (
    LIST_THUMBNAIL_PX,
    is_taken_for_unsafe,
    tag_names,
    taken_for_unsafe,
    thumbnail_url,
)
from workers import pipeline

_SHOWN_PX = 96


class AssetForm(ModelForm[Asset]):
    """The words of an asset by the rules of `library.details`, and who may see it."""

    def clean_title(self) -> str:
        return _checked(checked_title, self.cleaned_data["title"])

    def clean_description(self) -> str:
        return _checked(checked_description, self.cleaned_data["description"])

    def clean_visibility(self) -> str:
        """Staff may take a photo out of sight; of a private one they can't know what they would show."""
        chosen = str(self.cleaned_data["visibility"])
        if chosen == Asset.Visibility.PUBLIC and self.initial.get("visibility") != chosen:
            raise ValidationError("Only its owner may show a private photo to everyone.")
        return chosen


def _checked(check: Callable[[str], str], text: str) -> str:
    try:
        return check(text)
    except InvalidInput as error:
        raise ValidationError(str(error)) from error


class SafetyFilter(admin.SimpleListFilter):
    """Photos by what they are taken for, and who says so."""

    title, parameter_name = "safety", "safety"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("asked", "Somebody asks for another look"),
            ("scored", "Unsafe to a model, not judged yet"),
            ("unsafe", "Taken for unsafe"),
            ("judged", "Judged by a person"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Asset]) -> QuerySet[Asset] | None:
        chosen = self.value()
        if chosen == "asked":
            return queryset.filter(pk__in=asked_to_look_again().values("pk"))
        if chosen == "scored":
            return queryset.filter(taken_for_unsafe(), judged_unsafe=None)
        if chosen == "unsafe":
            return queryset.filter(taken_for_unsafe())
        return queryset.exclude(judged_unsafe=None) if chosen == "judged" else None


@admin.register(Asset)
class AssetAdmin(DeletedWhole):
    list_display = (
        *("id", "picture", "__str__", "owner", "visibility", "unsafe"),
        *("mime_type", "width_px", "height_px", "created_at"),
    )
    list_filter = ("visibility", SafetyFilter, "mime_type", "created_at")
    actions = ("mark_safe", "mark_unsafe", "take_back")
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
        *("unsafe_score", "said", "created_at", "updated_at"),
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
        *("taken_at", "camera", "unsafe_score", "said", "created_at", "updated_at"),
    )

    @admin.display(description="tags")
    def tag_names(self, asset: Asset) -> str:
        return ", ".join(tag_names(asset))

    @admin.display(description="picture")
    def picture(self, asset: Asset) -> str:
        """Of public ones, with the way to their page: being staff opens no private photo."""
        if asset.visibility != Asset.Visibility.PUBLIC:
            return ""
        page, thumbnail = reverse("asset", args=[asset.pk]), thumbnail_url(asset, LIST_THUMBNAIL_PX)
        link = '<a href="{}"><img src="{}" height="{}" alt="Photo {}" loading="lazy"></a>'
        return format_html(link, page, thumbnail, _SHOWN_PX, asset.pk)

    @admin.display(description="unsafe", boolean=True)
    def unsafe(self, asset: Asset) -> bool:
        return is_taken_for_unsafe(asset)

    @admin.display(description="said of its safety")
    def said(self, asset: Asset) -> str:
        """The newest first, each with who and when."""
        return (
            format_html_join(SafeString("<br>"), "{}", ((_told(one),) for one in statements_of(asset))) or "-"
        )

    def has_judge_permission(self, request: HttpRequest) -> bool:
        return may_judge(request.user)

    @admin.action(description="It is safe: offer it to everyone", permissions=["judge"])
    def mark_safe(self, request: HttpRequest, chosen: QuerySet[Asset]) -> None:
        self._each(request, chosen, lambda user, pk: safety.say(user, pk, SafetyStatement.Kind.SAFE))

    @admin.action(description="It is unsafe: leave it out of others’ searches", permissions=["judge"])
    def mark_unsafe(self, request: HttpRequest, chosen: QuerySet[Asset]) -> None:
        self._each(request, chosen, lambda user, pk: safety.say(user, pk, SafetyStatement.Kind.UNSAFE))

    @admin.action(description="Take back what was said last of its safety", permissions=["judge"])
    def take_back(self, request: HttpRequest, chosen: QuerySet[Asset]) -> None:
        self._each(request, chosen, safety.take_back)

    def _each(
        self, request: HttpRequest, chosen: QuerySet[Asset], spoken: Callable[[User, int], object]
    ) -> None:
        """Each photo by itself, so that one that can't be judged keeps no other one waiting."""
        done = 0
        for pk in chosen.order_by("pk").values_list("pk", flat=True):
            try:
                spoken(cast(User, request.user), pk)
            except NotFound:
                self.message_user(
                    request, f"Photo {pk} is private: its owner alone sees it.", messages.WARNING
                )
            except (Conflict, NotAllowed) as error:
                self.message_user(request, f"Photo {pk}: {error}", messages.WARNING)
            else:
                done += 1
        if done:
            self.message_user(request, f"Done for {done} photo{'s' if done > 1 else ''}.", messages.SUCCESS)

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


admin.site.unregister(User)


@admin.register(User)
class AccountAdmin(DeletedWhole, UserAdmin[User]):
    """Django's own, but that a worker deletes an account, with its photos and their files."""

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        pipeline.close_account(obj)
        self.message_user(
            request,
            f"The account {obj} is closed; a worker deletes what is theirs, and then the account.",
            messages.INFO,
        )

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for account in queryset:
            self.delete_model(request, account)


def _told(said: SafetyStatement) -> str:
    note = f" “{said.note}”" if said.note else ""
    back = (
        f", taken back by {said.taken_back_by} on {said.taken_back_at:%Y-%m-%d}" if said.taken_back_at else ""
    )
    who = said.said_by or "an account that is gone"
    return f"{said.get_kind_display()}{note}, {who} on {said.said_at:%Y-%m-%d}{back}"


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

    @admin.action(description="Revoke the selected keys", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset.select_related("owner"):
            api_keys.revoke_key(key.owner, key.pk)
        self.message_user(request, "The keys work no more.")
