"""Sites in Django's admin: their settings, origins, keys, items, and what their webhooks were told."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from recommender import site_keys
from recommender.models import Item, Site, SiteKey, SiteOrigin, WebhookMessage


class OriginInline(admin.TabularInline[SiteOrigin, Site]):
    model = SiteOrigin
    extra = 0


@admin.register(Site)
class SiteAdmin(admin.ModelAdmin[Site]):
    list_display = ("slug", "name", "owner", "shows_assets", "created_at")
    list_select_related = ("owner",)
    search_fields = ("slug", "name", "owner__username")
    fields = (
        *("slug", "name", "owner", "shows_assets", "diversity", "requests_per_minute", "webhook_url"),
        "created_at",
    )
    readonly_fields = ("created_at",)
    raw_id_fields = ("owner",)
    inlines = (OriginInline,)
    actions = ("make_secret_key", "make_publishable_key")

    def get_readonly_fields(self, request: HttpRequest, obj: Site | None = None) -> tuple[str, ...]:
        """The slug stands in keys and in the pages of the site: it stays as it is."""
        return ("slug", "owner", "created_at") if obj else ("created_at",)

    @admin.action(description="Make a secret key", permissions=["change"])
    def make_secret_key(self, request: HttpRequest, queryset: QuerySet[Site]) -> None:
        self._make_keys(request, queryset, SiteKey.Kind.SECRET)

    @admin.action(description="Make a publishable key", permissions=["change"])
    def make_publishable_key(self, request: HttpRequest, queryset: QuerySet[Site]) -> None:
        self._make_keys(request, queryset, SiteKey.Kind.PUBLISHABLE)

    def _make_keys(self, request: HttpRequest, queryset: QuerySet[Site], kind: SiteKey.Kind) -> None:
        for site in queryset:
            made = site_keys.create_site_key(
                site, kind=kind, name=f"made in the admin ({kind.label.lower()})"
            )
            self.message_user(
                request, f"{site}: {made.token} - copy it now, it is shown this once only.", messages.SUCCESS
            )


class _Records(admin.ModelAdmin[Any]):
    """Written by services, read by people."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(SiteKey)
class SiteKeyAdmin(_Records):
    list_display = ("name", "hint", "site", "kind", "created_at", "last_used_at", "revoked_at")
    list_filter = ("kind", "revoked_at")
    list_select_related = ("site",)
    search_fields = ("name", "hint", "site__slug")
    actions = ("revoke",)
    fields = ("name", "hint", "site", "kind", "created_at", "last_used_at", "revoked_at")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("recommender.change_sitekey")

    @admin.action(description="Revoke the selected keys", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[SiteKey]) -> None:
        for key in queryset.select_related("site"):
            site_keys.revoke_site_key(key.site, key.pk)
        self.message_user(request, "The keys work no more.")


@admin.register(Item)
class ItemAdmin(_Records):
    list_display = ("external_id", "title", "site", "picture_state", "picture_error", "updated_at")
    list_filter = ("picture_state", "site")
    list_select_related = ("site",)
    search_fields = ("external_id", "title")


@admin.register(WebhookMessage)
class WebhookMessageAdmin(_Records):
    list_display = ("event", "site", "item", "state", "attempts", "due_at", "last_error", "created_at")
    list_filter = ("state", "event", "site")
    list_select_related = ("site", "item")
