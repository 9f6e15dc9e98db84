"""Logs go to standard error: lines for people, or one JSON object per line for machines (LOG_JSON)."""

import json as jsonlib
import logging
from typing import Any

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "request", "taskName"}


class JsonFormatter(logging.Formatter):
    """One object per record: time, level, logger, message, the traceback, and whatever came as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        line.update({key: value for key, value in vars(record).items() if key not in _STANDARD})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return jsonlib.dumps(line, default=str, ensure_ascii=False)


def logging_config(*, level: str, json: bool) -> dict[str, Any]:
    """Django's LOGGING: everything from `level` up; what libraries whisper only from warnings up."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "text": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
            "json": {"()": "config.logging.JsonFormatter"},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json" if json else "text"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Each answer of 4xx is the client's business, not a line in our log.
            "django.request": {"level": "ERROR"},
            **{
                name: {"level": "WARNING"}
                for name in ("PIL", "urllib3", "httpcore", "httpx", "kombu", "amqp")
            },
        },
    }
