"""Administration over HTTP: rebuild the index, see how far long jobs are, and end them."""

from datetime import datetime

from django.http import HttpRequest
from ninja import Router, Schema, Status

from library.access import Scope
from workers import pipeline, selectors
from workers.models import Job

router = Router(tags=["Administration"], auth=Scope("admin"))


class JobOut(Schema):
    """A long job. `done` of `total` are finished; `error` is empty unless something went wrong."""

    id: int
    kind: str
    state: str
    done: int
    total: int
    error: str
    created_at: datetime
    finished_at: datetime | None


@router.post("/admin/reindex", response={202: JobOut}, summary="Rebuild the vector index beside the live one")
def reindex(request: HttpRequest) -> Status[Job]:
    """Answers at once; ask for the job to follow it. A rebuild under way is not started twice."""
    return Status(202, pipeline.start_job(Job.Kind.REBUILD_INDEX, request.auth))  # type: ignore[attr-defined]


@router.get("/admin/jobs", response=list[JobOut], summary="The newest 50 long jobs")
def jobs(request: HttpRequest) -> list[Job]:
    """The newest first, whatever their state."""
    return selectors.newest_jobs()


@router.post("/admin/jobs/{int:job_id}/cancel", response=JobOut, summary="End a long job for good")
def cancel(request: HttpRequest, job_id: int) -> Job:
    """Its worker stops at the next step. 409 where it is over, is one that search depends on, or deletes an account."""
    pipeline.cancel_job(selectors.job_with_id(job_id))
    return selectors.job_with_id(job_id)


@router.get("/admin/jobs/{int:job_id}", response=JobOut, summary="How far a long job is")
def job(request: HttpRequest, job_id: int) -> Job:
    """404 where there is no such job."""
    return selectors.job_with_id(job_id)
