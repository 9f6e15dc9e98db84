"""Sites in Django's admin: their settings, origins, keys, items, and what their webhooks were told."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from core.admin_pages import DeletedWhole, Records, change_each
from core.errors import InvalidInput
from recommender import experiment_chart, experiments, site_keys, sites
from recommender.forms import SiteForm
from recommender.models import Experiment, Item, Rule, Site, SiteKey, WebhookMessage


@admin.register(Site)
class SiteAdmin(DeletedWhole):
    list_display = ("slug", "name", "owner", "shows_assets", "created_at")
    list_select_related = ("owner",)
    search_fields = ("slug", "name", "owner__username")
    form = SiteForm
    fields = (
        *("slug", "name", "owner", "origins", "shows_assets", "diversity", "requests_per_minute"),
        *("webhook_url", "created_at"),
    )
    readonly_fields = ("created_at",)
    raw_id_fields = ("owner",)
    actions = ("make_secret_key", "make_publishable_key")

    def get_readonly_fields(self, request: HttpRequest, obj: Site | None = None) -> tuple[str, ...]:
        """The slug stands in keys and in the pages of the site: it stays as it is."""
        return ("slug", "owner", "created_at") if obj else ("created_at",)

    @admin.display
    def origins(self, site: Site) -> str:
        """For who may look and not change."""
        return ", ".join(str(origin) for origin in site.origins.all())

    def save_model(self, request: HttpRequest, obj: Site, form: SiteForm, change: bool) -> None:
        if change:
            sites.change_site(obj, **form.settings)
        else:
            obj.pk = sites.create_site(obj.owner, obj.slug, **form.settings).pk

    def delete_model(self, request: HttpRequest, obj: Site) -> None:
        sites.delete_site(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Site]) -> None:
        for site in queryset:
            sites.delete_site(site)

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


@admin.register(SiteKey)
class SiteKeyAdmin(Records):
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
class ItemAdmin(Records):
    list_display = ("external_id", "title", "site", "picture_state", "picture_error", "updated_at")
    list_filter = ("picture_state", "site")
    list_select_related = ("site",)
    search_fields = ("external_id", "title")


@admin.register(WebhookMessage)
class WebhookMessageAdmin(Records):
    list_display = ("event", "site", "item", "state", "attempts", "due_at", "last_error", "created_at")
    list_filter = ("state", "event", "site")
    list_select_related = ("site", "item")


@admin.register(Rule)
class RuleAdmin(admin.ModelAdmin[Rule]):
    list_display = ("__str__", "site", "strength", "from_at", "until_at")
    list_filter = ("effect", "site")
    list_select_related = ("site",)
    search_fields = ("external_id", "tag")


class ExperimentForm(forms.ModelForm[Experiment]):
    """Says at once what is wrong with variants."""

    class Meta:
        model = Experiment
        fields = ("site", "name", "scenario", "variants", "least_impressions", "stops_by_itself")

    def clean_variants(self) -> Any:
        try:
            return experiments.checked_variants(self.cleaned_data["variants"])
        except InvalidInput as error:
            raise forms.ValidationError(str(error)) from error


@admin.register(Experiment)
class ExperimentAdmin(admin.ModelAdmin[Experiment]):
    """Made as a draft, started and stopped by actions; what it shows stands below its settings."""

    form = ExperimentForm
    list_display = ("name", "site", "scenario", "state", "started_at", "stopped_at", "stopped_because")
    list_filter = ("state", "site")
    list_select_related = ("site",)
    actions = ("start", "stop")
    change_form_template = "admin/recommender/experiment/change_form.html"
    _told = ("state", "started_at", "stopped_at", "stopped_because")
    readonly_fields = _told

    def get_readonly_fields(self, request: HttpRequest, obj: Experiment | None = None) -> Any:
        """What has begun stays as it is: other variants would be another experiment."""
        begun = obj is not None and obj.state != Experiment.State.DRAFT
        return ("site", "name", "scenario", "variants", *self._told) if begun else self._told

    @admin.action(description="Start", permissions=["change"])
    def start(self, request: HttpRequest, chosen: QuerySet[Experiment]) -> None:
        change_each(self, request, chosen, experiments.start)

    @admin.action(description="Stop", permissions=["change"])
    def stop(self, request: HttpRequest, chosen: QuerySet[Experiment]) -> None:
        change_each(self, request, chosen, experiments.stop)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The settings, and under them the results as table and chart."""
        experiment = self.get_object(request, object_id)
        extra: dict[str, Any] = {}
        if experiment is not None and experiment.state != Experiment.State.DRAFT:
            results = experiments.results_of(experiment)
            extra = {
                "bars": experiment_chart.bars_of(results),
                "scale": f"{experiment_chart.scale_of(results):.2%}",
                "chart_width": experiment_chart.WIDTH_PX,
                "chart_height": experiment_chart.BAR_PX * len(results) + 10,
            }
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **extra})
