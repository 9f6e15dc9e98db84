"""What keeps the house: the sweep that heals and wakes, long jobs, and warming a fresh worker up."""

import logging
from contextlib import suppress

from core.errors import ModelUnavailable, SightlineError
from library import storage_sweep
from recommender import experiments, pictures, webhooks
from search import recording, suggesting
from workers import errands, jobs, learning, messages, pipeline, recaptions, selectors, services, warmup
from workers.celery import JOB_TIME_LIMIT_S, UPKEEP_TIME_LIMIT_S, app

_log = logging.getLogger(__name__)


@app.task(name="workers.sweep")
def sweep() -> None:
    """Every few seconds: take back what dead workers held, and wake whoever has something to do."""
    services.heal()
    services.drop_orphaned_records()
    recaptions.follow()
    for stage in pipeline.EVERY_STAGE:
        try:
            if selectors.express_due(stage):
                pipeline.wake_express(stage)
            if selectors.pending(stage):
                pipeline.wake(stage)
        except ModelUnavailable as error:
            _log.warning("The stage %s waits: %s", stage.name, error)
    with suppress(ModelUnavailable):  # said above already
        jobs.start_due_rebuild()
    jobs.retry_deletions()
    if jobs.waiting():
        pipeline.wake_jobs()
    errands.wake_if_due()


@app.task(name=pipeline.RUN_JOBS_TASK, time_limit=JOB_TIME_LIMIT_S, soft_time_limit=JOB_TIME_LIMIT_S - 60)
def run_jobs() -> None:
    """Run the job that waits longest. The next one has a task of its own, so that each has all the time there is."""
    messages.begun(pipeline.RUN_JOBS_TASK)
    services.heal()
    if jobs.run_next() is not None and jobs.waiting():
        pipeline.wake_jobs()


@app.task(
    name="workers.clean_storage", time_limit=UPKEEP_TIME_LIMIT_S, soft_time_limit=UPKEEP_TIME_LIMIT_S - 60
)
def clean_storage() -> None:
    """Every night: remove the stored files that no row speaks of, such as those of a deleted account."""
    _log.info("Cleaned the storage: %s", storage_sweep.sweep())


@app.task(
    name="workers.forget_pictures", time_limit=UPKEEP_TIME_LIMIT_S, soft_time_limit=UPKEEP_TIME_LIMIT_S - 60
)
def forget_pictures() -> None:
    """Every hour: remove pictures that came with items and that none shows any more, such as a deleted site's."""
    _log.info("Removed %d pictures that no item shows.", pictures.forget_forsaken())


@app.task(
    name="workers.count_suggestions", time_limit=UPKEEP_TIME_LIMIT_S, soft_time_limit=UPKEEP_TIME_LIMIT_S - 60
)
def count_suggestions() -> None:
    """Every night: count the words that are suggested afresh, without those of deleted photos."""
    _log.info("Counted %d words and tags to suggest.", suggesting.recount())


@app.task(
    name="workers.drop_outdated", time_limit=UPKEEP_TIME_LIMIT_S, soft_time_limit=UPKEEP_TIME_LIMIT_S - 60
)
def drop_outdated() -> None:
    """Every night: recorded searches, messages of webhooks and jobs that learned from visitors, as old as they get."""
    _log.info(
        "Dropped %d searches, %d webhook messages and %d jobs.",
        recording.forget_old(),
        webhooks.drop_outdated(),
        jobs.drop_outdated(),
    )


@app.task(name="workers.learn_if_due")
def learn_if_due() -> None:
    """Every hour: have the captioner learn again, where the settings say that it is time."""
    try:
        learning.start_if_due()
    except SightlineError as error:
        _log.warning("The captioner does not learn again: %s", error)


@app.task(name="workers.warm_up")
def warm_up(queue: str) -> None:
    """Load the models that the work of a queue needs, before anybody waits for them."""
    warmup.load_models(queue)


# What an experiment shows is counted in all that it showed, which may take longer than a stage has.
@app.task(
    name="workers.follow_visitors", time_limit=UPKEEP_TIME_LIMIT_S, soft_time_limit=UPKEEP_TIME_LIMIT_S - 60
)
def follow_visitors() -> None:
    """Every quarter of an hour: learn from what visitors did, and stop experiments that are certain."""
    jobs.start_due_learning()
    experiments.stop_certain_ones()
