"""What items of sites wait for. What there is to do is asked of the rows, so a task may be lost, late or twice."""

from celery.exceptions import SoftTimeLimitExceeded

from workers import errands, messages, pipeline
from workers.celery import app


@app.task(name=pipeline.ITEMS_TASK)
def items() -> int:
    """Encode the words of items that are new or changed."""
    messages.begun(pipeline.ITEMS_TASK)
    return errands.encode_items()


@app.task(name=pipeline.ERRANDS_TASK)
def run_errands() -> int:
    """Fetch pictures of items, and tell sites what became of them."""
    messages.begun(pipeline.ERRANDS_TASK)
    try:
        fetched = errands.fetch_pictures()
    except SoftTimeLimitExceeded:
        raise
    except Exception:  # sites are told what they wait for, whatever became of pictures
        errands.call_webhooks()
        raise
    return fetched + errands.call_webhooks()
