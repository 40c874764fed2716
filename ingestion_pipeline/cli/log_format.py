"""How a server writes its log: lines of text, or of JSON for programs that collect them."""

import json
import logging
import logging.config
from datetime import UTC, datetime
from typing import Literal

# What a line may say besides its message, given as ``extra``.
_FIELDS = ("job_id", "run_id", "repository", "status", "duration_seconds")
_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``message``, and what is known."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class QueryFilter(logging.Filter):
    """Takes the query out of the lines of uvicorn's access log: it may hold what is secret."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record, and keep it."""
        if isinstance(record.args, tuple):
            client, method, path, *rest = record.args
            record.args = (client, method, str(path).partition("?")[0], *rest)
        return True


def configure_log(log_format: Literal["text", "json"]) -> None:
    """Write the log of this process to stderr, uvicorn's and its access log, too."""
    line = {"()": JsonFormatter} if log_format == "json" else {"format": _TEXT}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": line},
            "filters": {"without_query": {"()": QueryFilter}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"level": "WARNING", "handlers": ["stderr"]},
            "loggers": {
                "ingestion_pipeline": {"level": "INFO"},
                "uvicorn": {"level": "INFO"},
                "uvicorn.access": {"level": "INFO", "filters": ["without_query"]},
            },
        }
    )
    logging.captureWarnings(capture=True)
