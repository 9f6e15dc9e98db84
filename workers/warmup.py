"""Loading the models of a worker before the first picture or visitor has to wait for it."""

import logging
import time

import captioning.services
import search.services
from core.errors import ModelUnavailable
from search.active import spaces

_log = logging.getLogger(__name__)


def load_models(queue: str) -> None:
    """Load what the tasks of this queue use. A missing model is reported by the first task that needs it."""
    started = time.monotonic()
    try:
        captioning.services.backbone()
        search.services.embedder("image")
        captioning.services.captioner()
        for space in spaces():
            search.services.embedder(space)
    except ModelUnavailable as error:
        _log.warning("The models of the queue %s are not ready: %s", queue, error)
    else:
        _log.info("The models of the queue %s were loaded in %.1f s", queue, time.monotonic() - started)
