"""POST /assets: files in, one answer for each."""

from typing import Annotated, Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import File, Form, Router, Schema, Status
from ninja.files import UploadedFile

from config.errors import Problem, problem_of
from core.errors import SightlineError, TooLarge
from library.access import Scope, require_scope
from library.details import Details
from library.importers.batch import Outcome
from library.importers.imports import import_uploads
from library.importers.sources import OpenSource
from library.media.formats import head_of, is_zip
from library.models import ApiKey
from workers import pipeline

router = Router(tags=["Assets"])


class FileAnswer(Schema):
    """What became of one file, or of one file in a zip. `id` is the asset's, new or there before."""

    name: str
    status: str
    id: int | None = None
    duplicate_of: int | None = None
    error: str | None = None


class UploadAnswer(Schema):
    files: list[FileAnswer]


@router.post("/assets", response={201: UploadAnswer}, auth=Scope(ApiKey.Scope.WRITE), summary="Upload photos")
def upload(
    request: HttpRequest,
    files: Annotated[list[UploadedFile], File(description="Pictures, or zip files of pictures; repeated")],
    title: Annotated[str, Form()] = "",
    description: Annotated[str, Form()] = "",
    tags: Annotated[list[str], Form(description="Repeated, or separated by commas")] = [],  # noqa: B006 - ninja's way
    visibility: Annotated[str, Form(description="private or public")] = "private",
) -> Status[dict[str, Any]] | HttpResponse:
    """Answers each file by itself; 201 if any was accepted, else the status of what is wrong with them.

    Words that the request leaves empty are taken from the file's own IPTC, XMP or EXIF.
    """
    if len(files) > settings.UPLOAD_MAX_FILES:
        raise TooLarge(f"At most {settings.UPLOAD_MAX_FILES} files in one request.", field="files")
    user = require_scope(request, ApiKey.Scope.WRITE)
    separate = [tag for text in tags for tag in text.split(",")]
    details = Details.checked(title, description, separate, visibility)
    sources = [OpenSource(file.name or "unnamed", file) for file in files]
    outcomes = list(import_uploads(user, sources, details))
    _wake(sources, outcomes)
    if any(outcome.error is None for outcome in outcomes):
        return Status(201, {"files": [_answer(outcome) for outcome in outcomes]})
    return _refusal(outcomes)


def _wake(sources: list[OpenSource], outcomes: list[Outcome]) -> None:
    """A few photos sent by hand overtake bulk imports; an archive is one."""
    created = [outcome.asset for outcome in outcomes if outcome.created and outcome.asset]
    if any(is_zip(head_of(source.file)) for source in sources):
        pipeline.wake()
    else:
        pipeline.added(created)


def _answer(outcome: Outcome) -> dict[str, Any]:
    asset_id = outcome.asset.pk if outcome.asset else None
    return {
        "name": outcome.name,
        "status": outcome.status,
        "id": asset_id,
        "duplicate_of": None if outcome.created else asset_id,
        "error": str(outcome.error) if outcome.error else None,
    }


def _refusal(outcomes: list[Outcome]) -> HttpResponse:
    """The problem of the first file in the words of all: each is named with its rule, and answered in `files`."""
    problems = [(outcome, _problem(outcome.error)) for outcome in outcomes if outcome.error]
    # Ours to heal before theirs: where the store is away, the client should come back with all of them.
    _, worst = max(problems, key=lambda pair: pair[1].status >= 500)
    combined = Problem(
        worst.status,
        worst.title,
        "; ".join(f"{outcome.name}: {outcome.error}" for outcome, _ in problems[:20]),
        [{"field": "files", "rule": f"{outcome.name}: {outcome.error}"} for outcome, _ in problems],
        worst.retry_after_s,
    )
    return combined.as_response()


def _problem(error: SightlineError) -> Problem:
    problem = problem_of(error)
    assert problem  # every SightlineError is in the table
    return problem
