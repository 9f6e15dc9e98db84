"""Collections of one space and model in Milvus, and which of them its alias names.

    sightline_<space>_<model>_<database>            an alias: what searches read
    sightline_<space>_<model>_<database>_<name>     a collection for each rebuild

A row has the frame's id, its columns and its vector. One more row, whose id no frame has, says how far the collection
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
from search.index.base import NO_ROWS, Hits, Ids, Rows, RowSource, Vectors
from search.index.milvus.columns import FIELDS, add_to, expression, written
from search.index.milvus.server import MilvusServer
from search.index.where import COLUMNS, Where

_STATE_ID: Final = -1
_NOTE_MAX_CHARS = 1000
#: 1,000 vectors of 384 numbers are 1.5 MB; a message may have 64.
_WRITTEN_AT_A_TIME = 1000
_GOT_AT_A_TIME = 1000
#: milvus-lite opens its file once for each process; two threads that ask it to at once would be refused.
_CONNECTING = threading.Lock()
_LISTING_ATTEMPTS = 5
_NO_COLLECTION = "does not exist"
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
        self._fields_of: dict[str, frozenset[str]] = {}

    def alias(self, token: str) -> str:
        """Another database's rows have another alias: ids and numbers of two never meet."""
        model = hashlib.blake2b(f"{self._source.model_id}\0{token}".encode(), digest_size=8).hexdigest()
        return re.sub(r"\W", "_", f"sightline_{self._source.space}_{model}")

    def current(self, token: str) -> str | None:
        """The collection that the alias names, None where there is none."""
        alias = self.alias(token)
        with self._asked() as client:
            # Looked for first: pymilvus writes a traceback into the log where an unknown one is described.
            if alias not in client.list_aliases()["aliases"]:
                return None
            return str(client.describe_alias(alias)["collection_name"])

    def create(self, token: str, name: str, dimension: int) -> str:
        """An empty collection for a new generation, ready for rows."""
        collection = f"{self.alias(token)}_" + re.sub(r"\W", "_", name)
        with self._asked() as client:
            schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field("id", DataType.INT64, is_primary=True)
            schema.add_field("note", DataType.VARCHAR, max_length=_NOTE_MAX_CHARS)
            add_to(schema)
            schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
            index = client.prepare_index_params()
            index.add_index("vector", index_type=self._server.index, metric_type="IP", params=self._build())
            client.create_collection(collection, schema=schema, consistency_level=self._server.consistency)
            _create_index(client, collection, index)
            client.load_collection(collection, replica_number=self._server.replicas)
        return collection

    def put(self, collection: str, rows: Rows) -> None:
        """Upserts: a frame that is there gets the new vector and columns."""
        for start in range(0, len(rows), _WRITTEN_AT_A_TIME):
            self._upsert(collection, rows.at(slice(start, start + _WRITTEN_AT_A_TIME)))

    def delete(self, collection: str, frame_ids: Ids) -> None:
        """Takes frames out."""
        with self._asked() as client:
            for start in range(0, len(frame_ids), _WRITTEN_AT_A_TIME):
                client.delete(collection, ids=frame_ids[start : start + _WRITTEN_AT_A_TIME].tolist())

    def set_state(self, collection: str, state: State, dimension: int) -> None:
        """The last thing that is written, after the rows that it speaks of."""
        row = Rows(
            np.array([_STATE_ID]),
            np.zeros((1, dimension), dtype=np.float32),
            np.zeros((len(COLUMNS), 1), dtype=np.int64),
        )
        self._upsert(collection, row, note=json.dumps(asdict(state)))

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
            return {name for name in _listed(client) if name.startswith(f"{self.alias(token)}_")}

    def search(self, collection: str, query: Vectors, k: int, among: Ids | Where | None) -> Hits:
        """The k nearest; `among` is pushed down to the server as a filter on the primary key, or on the columns."""
        with self._asked() as client:
            (found,) = client.search(
                collection,
                data=[query],
                limit=k,
                filter=expression(among),
                search_params={"params": self._effort(k)},
                consistency_level=self._server.consistency,
            )
        ids = np.array([hit["id"] for hit in found], dtype=np.int64)
        return Hits(ids, np.array([hit["distance"] for hit in found], dtype=np.float32))

    def some_where(self, collection: str, where: Where, at_most: int) -> Ids:
        """So many of the frames of whose columns this holds."""
        with self._asked() as client:
            rows = client.query(
                collection,
                filter=expression(where),
                output_fields=["id"],
                limit=at_most,
                consistency_level=self._server.consistency,
            )
        return np.array([row["id"] for row in rows], dtype=np.int64)

    def rows(self, collection: str, frame_ids: Ids) -> Rows:
        """What is stored of those frames that are there; zeros for columns from before which it was filled."""
        columns = self._fields(collection).intersection(COLUMNS)
        found: list[dict[str, Any]] = []
        with self._asked() as client:
            for start in range(0, len(frame_ids), _GOT_AT_A_TIME):
                wanted = frame_ids[start : start + _GOT_AT_A_TIME].tolist()
                found += client.get(collection, ids=wanted, output_fields=["vector", *columns])
        if not found:
            return NO_ROWS
        found.sort(key=lambda row: int(row["id"]))
        return Rows(
            np.array([row["id"] for row in found], dtype=np.int64),
            np.array([row["vector"] for row in found], dtype=np.float32),
            np.array([[row.get(column, 0) for row in found] for column in COLUMNS], dtype=np.int64),
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

    def has_columns(self, collection: str) -> bool:
        """False where it was filled before there were all of them."""
        return self._fields(collection).issuperset(FIELDS)

    def _fields(self, collection: str) -> frozenset[str]:
        if collection not in self._fields_of:
            with self._asked() as client:
                fields = client.describe_collection(collection)["fields"]
            self._fields_of[collection] = frozenset(field["name"] for field in fields)
        return self._fields_of[collection]

    def _upsert(self, collection: str, rows: Rows, note: str = "") -> None:
        # Milvus refuses a row that lacks a field, and one that has more.
        fields = self._fields(collection)
        told = [{name: row[name] for name in row.keys() & fields} for row in written(rows, note)]
        with self._asked() as client:
            client.upsert(collection, told)

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


def _listed(client: Any) -> list[str]:
    """All collections; again where milvus-lite stumbles over one that was dropped while it listed them."""
    for attempts_left in reversed(range(_LISTING_ATTEMPTS)):
        try:
            return list(client.list_collections())
        except MilvusException as error:
            if _NO_COLLECTION not in str(error) or not attempts_left:
                raise
    return []


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
