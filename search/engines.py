"""From the settings to the engine over one space and model: the only place that knows which engine is in use."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

from django.conf import settings
from django.utils.text import slugify

from core import backends
from search.index.base import Budget, VectorIndex
from search.rows import EmbeddingRows

#: What VECTOR_ENGINE may say instead of a dotted path.
ENGINES: Final = {
    "faiss": "search.index.faiss.engine.FaissIndex",
    "exact": "search.index.exact.ExactIndex",
    "milvus": "search.index.milvus.engine.MilvusIndex",
}
_MEGABYTE = 1_000_000


def engine_of(space: str, model_id: str, engine: str | None = None) -> VectorIndex:
    """The engine over the vectors of a model in a space, one per process; by default the one of VECTOR_ENGINE."""
    name = engine or settings.VECTOR_ENGINE
    return cast(
        VectorIndex,
        backends.load(
            ENGINES.get(name, name),
            source=EmbeddingRows(space, model_id),
            directory=folder_of(space, model_id),
            budget=budget(),
            **_server(name),
        ),
    )


def budget() -> Budget:
    """What an index may cost and must find, as the settings have it."""
    return Budget(
        recall_floor=settings.INDEX_RECALL_FLOOR,
        memory_bytes=settings.INDEX_MEMORY_MB * _MEGABYTE,
        latency_ms=settings.INDEX_LATENCY_MS,
        kind="" if settings.INDEX_KIND == "auto" else settings.INDEX_KIND,
    )


def _server(engine: str) -> dict[str, Any]:
    """What only an engine on other machines wants to know."""
    if engine != "milvus":
        return {}
    from search.index.milvus.server import MilvusServer

    options: dict[str, Any] = settings.MILVUS
    return {"server": MilvusServer(**options)}


def folder_of(space: str, model_id: str) -> Path:
    """Where an engine keeps its files for this space and model."""
    return Path(settings.INDEX_DIR) / space / _folder_name(model_id)


@cache
def _folder_name(model_id: str) -> str:
    """Readable, and never the same for two models."""
    digest = hashlib.blake2b(model_id.encode(), digest_size=4).hexdigest()
    return f"{slugify(model_id.replace('/', '-'))[:60]}-{digest}"
