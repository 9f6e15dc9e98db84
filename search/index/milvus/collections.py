"""Collections of one space and model in Milvus, and which of them its alias names.

    sightline_<space>_<model>_<database>            an alias: what searches read
    sightline_<space>_<model>_<database>_<name>     a collection for each rebuild

A row has the frame's id, its number and its vector. One more row, whose id no frame has, says how far the collection
was filled, so that this travels with the collection when the alias is switched.
"""

import hashlib
import json
import re
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

import grpc
import numpy as np
from pymilvus import DataType, MilvusClient, MilvusException

from core.errors import EngineUnavailable
from search.index.base import Hits, Ids, Rows, RowSource, Vectors
from search.index.milvus.server import MilvusServer

_STATE_ID: Final = -1
_NOTE_MAX_CHARS = 1000
#: 1,000 vectors of 384 numbers are 1.5 MB; a message may have 64.
_WRITTEN_AT_A_TIME = 1000
_GOT_AT_A_TIME = 1000
#: milvus-lite opens its file once for each process; two threads that ask it to at once would be refused.
_CONNECTING = threading.Lock()
_INDEX_ATTEMPTS = 5
_NO_INDEX = 700
_INDEX_PAUSE_S = 0.2


@dataclass(frozen=True)
class State:
    """How far a collection was filled. mark: checksum of the row with that number."""

    generation: str
    number: int
    mark: int


class Collections:
    """One alias and its collections. EngineUnavailable wherever the server can't answer."""

    def __init__(self, server: MilvusServer, source: RowSource) -> None:
        self._server, self._source = server, source
        self._client: Any = None

    def alias(self, token: str) -> str:
        """Another database's rows have another alias: ids and numbers of two never meet."""
        model = hashlib.blake2b(f"{self._source.model_id}\0{token}".encode(), digest_size=8).hexdigest()
        return re.sub(r"\W", "_", f"sightline_{self._source.space}_{model}")

    def current(self, token: str) -> str | None:
        """The collection that the alias names, None where there is none."""
        with self._asked() as client:
            alias = self.alias(token)
            for collection in client.list_collections():
                if collection.startswith(f"{alias}_") and alias in client.list_aliases(collection)["aliases"]:
                    return str(collection)
        return None

    def create(self, token: str, name: str, dimension: int) -> str:
        """An empty collection for a new generation, ready for rows."""
        collection = f"{self.alias(token)}_" + re.sub(r"\W", "_", name)
        with self._asked() as client:
            schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field("id", DataType.INT64, is_primary=True)
            schema.add_field("note", DataType.VARCHAR, max_length=_NOTE_MAX_CHARS)
            schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
            index = client.prepare_index_params()
            index.add_index("vector", index_type=self._server.index, metric_type="IP", params=self._build())
            client.create_collection(collection, schema=schema, consistency_level=self._server.consistency)
            _create_index(client, collection, index)
            client.load_collection(collection, replica_number=self._server.replicas)
        return collection

    def put(self, collection: str, rows: Rows) -> None:
        """Upserts: a frame that is there gets the new vector."""
        with self._asked() as client:
            for start in range(0, len(rows), _WRITTEN_AT_A_TIME):
                end = start + _WRITTEN_AT_A_TIME
                pairs = zip(rows.frame_ids[start:end].tolist(), rows.vectors[start:end], strict=True)
                client.upsert(
                    collection, [{"id": key, "note": "", "vector": vector} for key, vector in pairs]
                )

    def delete(self, collection: str, frame_ids: Ids) -> None:
        """Takes frames out."""
        with self._asked() as client:
            for start in range(0, len(frame_ids), _WRITTEN_AT_A_TIME):
                client.delete(collection, ids=frame_ids[start : start + _WRITTEN_AT_A_TIME].tolist())

    def set_state(self, collection: str, state: State, dimension: int) -> None:
        """The last thing that is written, after the rows that it speaks of."""
        vector = np.zeros(dimension, dtype=np.float32)
        with self._asked() as client:
            client.upsert(
                collection, [{"id": _STATE_ID, "note": json.dumps(asdict(state)), "vector": vector}]
            )

    def state(self, collection: str) -> State | None:
        """None where the collection was never finished."""
        with self._asked() as client:
            rows = client.get(collection, ids=[_STATE_ID], output_fields=["note"])
        return State(**json.loads(rows[0]["note"])) if rows else None

    def switch(self, token: str, collection: str) -> None:
        """The one moment at which searches pass from the old collection to this one."""
        alias = self.alias(token)
        before = self.current(token)
        with self._asked() as client:
            if before is None:
                client.create_alias(collection, alias)
            else:
                client.alter_alias(collection, alias)

    def drop_others(self, token: str, keep: set[str]) -> None:
        """Drops former generations, and what a killed rebuild left."""
        for collection in self.names(token) - keep:
            with self._asked() as client:
                client.drop_collection(collection)

    def drop_all(self, token: str) -> None:
        """Drops the alias and what it names."""
        if self.current(token) is not None:
            with self._asked() as client:
                client.drop_alias(self.alias(token))
        self.drop_others(token, keep=set())

    def names(self, token: str) -> set[str]:
        """Of all collections behind or beside the alias."""
        with self._asked() as client:
            return {name for name in client.list_collections() if name.startswith(f"{self.alias(token)}_")}

    def search(self, collection: str, query: Vectors, k: int, among: Ids | None) -> Hits:
        """The k nearest; `among` is pushed down to the server as a filter on the primary key."""
        where = "id >= 0" if among is None else f"id in {among.tolist()}"
        with self._asked() as client:
            (found,) = client.search(
                collection,
                data=[query],
                limit=k,
                filter=where,
                search_params={"params": self._effort(k)},
                consistency_level=self._server.consistency,
            )
        ids = np.array([hit["id"] for hit in found], dtype=np.int64)
        return Hits(ids, np.array([hit["distance"] for hit in found], dtype=np.float32))

    def vectors(self, collection: str, frame_ids: Ids) -> Rows:
        """The stored vectors of those frames that are there."""
        found: list[tuple[int, Any]] = []
        with self._asked() as client:
            for start in range(0, len(frame_ids), _GOT_AT_A_TIME):
                wanted = frame_ids[start : start + _GOT_AT_A_TIME].tolist()
                rows = client.get(collection, ids=wanted, output_fields=["vector"])
                found += [(row["id"], row["vector"]) for row in rows]
        if not found:
            return Rows(np.empty(0, dtype=np.int64), np.empty((0, 0), dtype=np.float32))
        found.sort(key=lambda pair: pair[0])
        return Rows(
            np.array([frame_id for frame_id, _ in found], dtype=np.int64),
            np.array([vector for _, vector in found], dtype=np.float32),
        )

    def count(self, collection: str) -> int:
        """How many frames it holds."""
        with self._asked() as client:
            (row,) = client.query(collection, filter="id >= 0", output_fields=["count(*)"])
        return int(row["count(*)"])

    def dimension(self, collection: str) -> int:
        """Length of its vectors."""
        with self._asked() as client:
            fields = client.describe_collection(collection)["fields"]
        return int(next(field["params"]["dim"] for field in fields if field["name"] == "vector"))

    def _build(self) -> dict[str, int]:
        if self._server.index == "HNSW":
            return {"M": 16, "efConstruction": 100}
        return {"nlist": 1024} if self._server.index.startswith("IVF") else {}

    def _effort(self, k: int) -> dict[str, int]:
        if self._server.index == "HNSW":
            return {"ef": max(self._server.effort, k)}
        return {"nprobe": self._server.effort} if self._server.index.startswith("IVF") else {}

    @contextmanager
    def _asked(self) -> Iterator[Any]:
        try:
            with _CONNECTING:
                if self._client is None:
                    self._client = MilvusClient(
                        self._server.uri, token=self._server.token, timeout=self._server.timeout_s
                    )
            yield self._client
        except (MilvusException, grpc.RpcError, OSError) as error:
            raise EngineUnavailable(f"Milvus at {self._server.uri} can't answer: {error}") from error


def mark_of(source: RowSource, number: int) -> int:
    """Checksum of the row with this number, 0 where it was deleted or numbered anew."""
    for rows in source.rows(number - 1, number):
        return zlib.crc32(rows.vectors.tobytes(), int(rows.frame_ids[0]) & 0xFFFFFFFF)
    return 0


def _create_index(client: Any, collection: str, index: Any) -> None:
    """Again where milvus-lite says that there is none: while others ask it, it may not see what it just made."""
    for attempts_left in reversed(range(_INDEX_ATTEMPTS)):
        try:
            client.create_index(collection, index)
            return
        except MilvusException as error:
            if error.code != _NO_INDEX or not attempts_left:
                raise
        time.sleep(_INDEX_PAUSE_S)
