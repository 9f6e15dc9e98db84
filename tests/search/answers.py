"""What the doors of searching answer, over HTTP."""

from typing import Any


def ids(answer: Any) -> list[int]:
    """Of the photos that were found, best first."""
    assert answer.status_code == 200, answer.content
    return [result["asset"]["id"] for result in answer.json()["results"]]


def refused(answer: Any, field: str, status: int = 400) -> str:
    """Why: what the problem says of this field, which it must name alone."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert [error["field"] for error in problem["errors"]] == [field]
    return str(problem["detail"])
