"""The Celery app: `celery -A workers worker -Q gpu`, `celery -A workers beat`.

Messages only wake workers; the rows of the database say what there is to do (see workers/pipeline.py).
"""

import os
from typing import Any

from celery import Celery
from celery.schedules import crontab
from celery.signals import setup_logging, worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery(
    "sightline",
    include=[
        "workers.tasks.stages",
        "workers.tasks.upkeep",
        "workers.tasks.interactive",
        "workers.tasks.items",
    ],
)
app.config_from_object("django.conf:settings", namespace="CELERY")

#: How long Redis waits for an answer before it gives a message to another worker. Above every time limit but that of
#: jobs, so that no running task is started a second time, and of jobs the row says that it is under way; the sweep
#: heals long before it is over.
VISIBILITY_TIMEOUT_S = 3600
#: A stage works in batches for TIME_BUDGET_S, then queues itself again. One batch ends well within the rest.
STAGE_TIME_LIMIT_S = 300
UPKEEP_TIME_LIMIT_S = 3300
#: Millions of vectors take hours to be built anew, or to follow another captioner.
JOB_TIME_LIMIT_S = 24 * 3600
SWEEP_INTERVAL_S = 10

app.conf.update(
    task_serializer="json",
    accept_content=["json"],
    task_default_queue="cpu",
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    # Rows tell what became of the work. A result store would only be one more thing to be down, for senders too.
    task_ignore_result=True,
    result_backend="disabled://",
    task_time_limit=STAGE_TIME_LIMIT_S,
    task_soft_time_limit=STAGE_TIME_LIMIT_S - 30,
    worker_prefetch_multiplier=1,
    # One process unless the command line says otherwise: each holds its own models.
    worker_concurrency=1,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={"visibility_timeout": VISIBILITY_TIMEOUT_S, "socket_connect_timeout": 2},
    beat_schedule={
        "sweep": {
            "task": "workers.sweep",
            "schedule": SWEEP_INTERVAL_S,
            # While nobody works the sweeps must not pile up: a late one is worth nothing.
            "options": {"queue": "cpu", "expires": SWEEP_INTERVAL_S},
        },
        "clean_storage": {
            "task": "workers.clean_storage",
            "schedule": crontab(hour=4, minute=0),
            "options": {"queue": "jobs", "expires": UPKEEP_TIME_LIMIT_S},
        },
        "forget_pictures": {
            "task": "workers.forget_pictures",
            "schedule": crontab(minute=50),
            "options": {"queue": "jobs", "expires": UPKEEP_TIME_LIMIT_S},
        },
        "count_suggestions": {
            "task": "workers.count_suggestions",
            "schedule": crontab(hour=4, minute=30),
            "options": {"queue": "jobs", "expires": UPKEEP_TIME_LIMIT_S},
        },
        "drop_outdated": {
            "task": "workers.drop_outdated",
            "schedule": crontab(hour=4, minute=45),
            "options": {"queue": "jobs", "expires": UPKEEP_TIME_LIMIT_S},
        },
        "follow_visitors": {
            "task": "workers.follow_visitors",
            "schedule": crontab(minute="*/15"),
            "options": {"queue": "jobs", "expires": 900},
        },
        "learn_again": {
            "task": "workers.learn_if_due",
            "schedule": crontab(minute=20),
            "options": {"queue": "cpu", "expires": UPKEEP_TIME_LIMIT_S},
        },
    },
)


@setup_logging.connect
def _keep_logging(**_: Any) -> None:
    """The settings' LOGGING stands; with a receiver here, Celery sets up none of its own."""


@worker_ready.connect
def _warm_up(sender: Any, **_: Any) -> None:
    """Asks the fresh worker to load its models now, in its child, rather than under the first visitor's eyes."""
    queues = set(sender.app.amqp.queues.consume_from) & {"gpu", "interactive"}
    for queue in queues:
        sender.app.send_task(
            "workers.warm_up", kwargs={"queue": queue}, queue=queue, retry=False, expires=600
        )
