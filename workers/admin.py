"""What is waiting, running, failed and why; trying it again; and long jobs with their progress."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.db.models import BigIntegerField, Case, F, OuterRef, QuerySet, Subquery, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from captioning import recaptioning, versions
from captioning.recaptioning import Selection
from core.admin_pages import Records, change_each
from core.errors import ModelUnavailable, SightlineError
from library.models import Frame
from workers import pipeline, selectors, services
from workers.forms import SelectionForm
from workers.models import Job, RecaptionRun, StageRun

#: Photos are captioned again by a run, which shows its cost first.
_STARTED_BY_HAND = (Job.Kind.REBUILD_INDEX, Job.Kind.LEARN_BEHAVIOUR)


class _Work(Records):
    """Written by workers; what they gave up may be tried again."""

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Whoever may change such records in Django's terms may have them tried again."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")


@admin.register(StageRun)
class StageRunAdmin(_Work):
    list_display = [
        "stage",
        "picture",
        "state",
        "error",
        "attempts",
        "deaths",
        "not_before",
        "worker",
        "updated_at",
    ]
    list_filter = ["state", "stage", "express"]
    search_fields = ["error", "=subject_id", "worker"]
    actions = ["retry"]
    change_list_template = "admin/workers/stagerun/change_list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[StageRun]:
        """With the asset that each is about: subjects are assets in one stage, frames in the others."""
        of_frame = Frame.objects.filter(pk=OuterRef("subject_id")).values("asset_id")
        about = Case(
            When(stage=pipeline.FRAMES.name, then=F("subject_id")),
            default=Subquery(of_frame),
            output_field=BigIntegerField(),
        )
        runs: QuerySet[StageRun] = super().get_queryset(request)
        return runs.annotate(asset_id=about)

    @admin.display(description="picture")
    def picture(self, run: Any) -> str:
        if run.asset_id is None:
            return "deleted"
        url = reverse("admin:library_asset_change", args=[quote(run.asset_id)])
        return format_html('<a href="{}">asset {}</a>', url, run.asset_id)

    @admin.action(description="Try again now", permissions=["retry"])
    def retry(self, request: HttpRequest, runs: QuerySet[StageRun]) -> None:
        count = services.retry(runs)
        self.message_user(request, f"{count} will be tried again.", messages.SUCCESS)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, under a table of how many subjects are where."""
        try:
            counts: dict[str, Any] = {"queue_counts": selectors.queue_counts()}
        except ModelUnavailable as error:
            counts = {"queue_problem": str(error)}
        return super().changelist_view(request, {**(extra_context or {}), **counts})


@admin.register(Job)
class JobAdmin(_Work):
    list_display = ["kind", "state", "progress", "error", "requested_by", "created_at", "finished_at"]
    list_filter = ["kind", "state"]
    actions = ["cancel"]
    change_list_template = "admin/workers/job/change_list.html"

    @admin.action(description="Cancel for good", permissions=["retry"])
    def cancel(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        change_each(self, request, jobs, pipeline.cancel_job)

    @admin.display(description="progress")
    def progress(self, job: Job) -> str:
        return _progress(job)

    def get_urls(self) -> list[URLPattern]:
        start = self.admin_site.admin_view(require_POST(self.start))
        return [path("start/<str:kind>/", start, name="workers_job_start"), *super().get_urls()]

    def start(self, request: HttpRequest, kind: str) -> HttpResponse:
        """Start a job and go back to the list, where its progress is shown."""
        if not self.has_retry_permission(request) or kind not in _STARTED_BY_HAND:
            raise PermissionDenied
        job = pipeline.start_job(kind, request.user if request.user.is_authenticated else None)
        self.message_user(request, f"Job {job.pk}, {job.get_kind_display()}, is under way.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:workers_job_changelist"))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, with a button for each kind of job; it reloads itself while one is at work."""
        kinds = [(kind.value, kind.label) for kind in _STARTED_BY_HAND]
        extra = {
            "job_kinds": kinds if self.has_retry_permission(request) else [],
            "at_work": Job.objects.filter(state__in=[Job.State.WAITING, Job.State.RUNNING]).exists(),
        }
        return super().changelist_view(request, {**(extra_context or {}), **extra})


@admin.register(RecaptionRun)
class RecaptionRunAdmin(_Work):
    """Captioning photos again: started after a look at the cost, paused, resumed and cancelled."""

    list_display = ("id", "version", "frames", "state", "progress", "failed", "error", "by", "created_at")
    list_select_related = ("version", "job", "job__requested_by")
    actions = ("pause", "resume", "cancel")
    change_list_template = "admin/workers/recaptionrun/change_list.html"

    @admin.display(description="frames")
    def frames(self, run: RecaptionRun) -> str:
        return str(Selection.from_json(run.selection))

    @admin.display(description="state", ordering="job__state")
    def state(self, run: RecaptionRun) -> str:
        return run.job.get_state_display()

    @admin.display(description="progress")
    def progress(self, run: RecaptionRun) -> str:
        return _progress(run.job)

    @admin.display(description="error")
    def error(self, run: RecaptionRun) -> str:
        return run.job.error

    @admin.display(description="requested by")
    def by(self, run: RecaptionRun) -> str:
        return str(run.job.requested_by or "")

    @admin.display(description="created at")
    def created_at(self, run: RecaptionRun) -> Any:
        return run.job.created_at

    @admin.action(description="Pause", permissions=["retry"])
    def pause(self, request: HttpRequest, runs: QuerySet[RecaptionRun]) -> None:
        change_each(self, request, runs, pipeline.pause_recaption)

    @admin.action(description="Resume", permissions=["retry"])
    def resume(self, request: HttpRequest, runs: QuerySet[RecaptionRun]) -> None:
        change_each(self, request, runs, pipeline.resume_recaption)

    @admin.action(description="Cancel for good", permissions=["retry"])
    def cancel(self, request: HttpRequest, runs: QuerySet[RecaptionRun]) -> None:
        change_each(self, request, runs, pipeline.cancel_recaption)

    def get_urls(self) -> list[URLPattern]:
        start = self.admin_site.admin_view(self.start)
        return [path("start/", start, name="workers_recaptionrun_start"), *super().get_urls()]

    def start(self, request: HttpRequest) -> HttpResponse:
        """Choose frames, see the cost, confirm."""
        if not self.has_retry_permission(request):
            raise PermissionDenied
        form, cost = SelectionForm(request.POST or None), None
        if request.method == "POST" and form.is_valid():
            try:
                cost = recaptioning.estimate(form.selection, versions.active_version())
                if "confirmed" in request.POST:
                    user = request.user if request.user.is_authenticated else None
                    run = pipeline.start_recaption(form.selection, user)
                    self.message_user(request, f"Run {run.pk} is under way.", messages.SUCCESS)
                    return HttpResponseRedirect(reverse("admin:workers_recaptionrun_changelist"))
            except SightlineError as error:
                form.add_error(None, str(error))
        context = {**self.admin_site.each_context(request), "form": form, "cost": cost}
        return TemplateResponse(request, "admin/workers/recaptionrun/start.html", context)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, with a way to a new run; it reloads itself while one is at work."""
        extra = {
            "may_start": self.has_retry_permission(request),
            "at_work": RecaptionRun.objects.filter(
                job__state__in=[Job.State.WAITING, Job.State.RUNNING]
            ).exists(),
        }
        return super().changelist_view(request, {**(extra_context or {}), **extra})


def _progress(job: Job) -> str:
    if not job.total:
        return ""
    return format_html(
        '<progress value="{}" max="{}" aria-label="progress"></progress> {} of {}',
        *(job.done, job.total) * 2,
    )
