"""Documents name what there is, every address of the API, every command, every queue; their links lead somewhere."""

import re
from pathlib import Path

from django.conf import settings
from django.core.management import get_commands

from config.api import api
from workers import pipeline

REPOSITORY = Path(settings.BASE_DIR)
DOCS = REPOSITORY / "docs"
ROOMS = ("config", "library", "captioning", "search", "recommender", "workers")


def test_the_api_guide_lists_every_address() -> None:
    rows = re.findall(
        r"^\| (GET|POST|PUT|PATCH|DELETE) \| `([^`]+)` \|", (DOCS / "api.md").read_text("utf-8"), re.M
    )
    told = {(method, _nameless(path)) for method, path in rows}
    assert len(told) == len(rows), "one of them stands there twice"
    there_are = {
        (method.upper(), _nameless(path.removeprefix("/api/v1")))
        for path, operations in api.get_openapi_schema()["paths"].items()
        for method in operations
    }
    assert told == there_are


def test_the_page_on_operations_lists_every_command_and_queue() -> None:
    page = (DOCS / "operations.md").read_text("utf-8")
    told = set(re.findall(r"`(\w+)`", "\n".join(re.findall(r"^\| (`.*?) \|", page, re.M))))
    ours = {name for name, app in get_commands().items() if app.split(".")[0] in ROOMS}
    assert ours - told == set()
    assert set(pipeline.QUEUES) - told == set()
    started = re.findall(r"^celery -A workers worker -Q (\S+)", page, re.M)
    assert {queue for one in started for queue in one.split(",")} == set(pipeline.QUEUES)


def test_every_link_between_documents_leads_somewhere() -> None:
    cards = [REPOSITORY / room for room in ("captioning", "search")]
    pages = [*REPOSITORY.glob("*.md"), *(page for one in (DOCS, *cards) for page in one.rglob("*.md"))]
    links = [
        (page, link) for page in pages for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
    ]
    ours = [(page, link) for page, link in links if "://" not in link]
    assert len(ours) > 50
    assert [f"{page.name}: {link}" for page, link in ours if not _leads_somewhere(page, link)] == []


def _leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not anchor or anchor in _anchors(target))


def _anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _nameless(path: str) -> str:
    """What stands for an id has another name in the code than in the guide."""
    return re.sub(r"\{[^}]*\}", "{}", path)
