"""The local modes of servers that others would take: qdrant and milvus-lite."""

from typing import Any

from benchmarks.contender import Contender, Ids, K, Vectors

_CHUNK = 5_000


class Qdrant(Contender):
    """qdrant-client in its local mode, which compares all vectors in numpy."""

    up_to = 100_000

    def build(self, queries: Vectors, truth: Ids) -> dict[str, Any]:
        from qdrant_client import models

        client = self._client()
        shape = models.VectorParams(size=self.vectors.shape[1], distance=models.Distance.DOT)
        client.create_collection("benchmark", vectors_config=shape)
        for start in range(0, len(self.vectors), _CHUNK):
            ids = range(start, min(start + _CHUNK, len(self.vectors)))
            payload: list[dict[str, Any]] = [{"draw": int(self.draws[row])} for row in ids]
            batch = models.Batch(
                ids=list(ids), vectors=self.vectors[start : start + _CHUNK].tolist(), payloads=payload
            )
            client.upsert("benchmark", points=batch)
        client.close()
        return {"mode": "local"}

    def open(self) -> None:
        self.client = self._client()

    def search(self, query: Vectors, bound: int | None) -> list[int]:
        from qdrant_client import models

        condition = models.FieldCondition(key="draw", range=models.Range(lt=bound))
        found = self.client.query_points(
            "benchmark",
            query=query.tolist(),
            limit=K,
            query_filter=None if bound is None else models.Filter(must=[condition]),
            with_payload=False,
        )
        return [int(point.id) for point in found.points]

    def insert(self, row: int, vector: Vectors) -> None:
        from qdrant_client import models

        point = models.PointStruct(id=row, vector=vector.tolist(), payload={"draw": 999})
        self.client.upsert("benchmark", points=[point])

    def _client(self) -> Any:
        from qdrant_client import QdrantClient

        return QdrantClient(path=str(self.folder / "qdrant"))


class MilvusLite(Contender):
    """milvus-lite, a server of threads in the same process."""

    up_to = 100_000

    def build(self, queries: Vectors, truth: Ids) -> dict[str, Any]:
        from pymilvus import DataType

        client = self._client()
        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("draw", DataType.INT64)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=self.vectors.shape[1])
        how = client.prepare_index_params()
        how.add_index("vector", index_type="HNSW", metric_type="IP", params={"M": 16, "efConstruction": 100})
        client.create_collection("benchmark", schema=schema, index_params=how)
        for start in range(0, len(self.vectors), _CHUNK):
            rows = range(start, min(start + _CHUNK, len(self.vectors)))
            client.insert(
                "benchmark",
                [
                    {"id": row, "draw": int(self.draws[row]), "vector": self.vectors[row].tolist()}
                    for row in rows
                ],
            )
        client.flush("benchmark")
        client.close()
        return {"mode": "lite"}

    def open(self) -> None:
        self.client = self._client()
        self.client.load_collection("benchmark")

    def search(self, query: Vectors, bound: int | None) -> list[int]:
        (hits,) = self.client.search(
            "benchmark",
            data=[query.tolist()],
            limit=K,
            filter="" if bound is None else f"draw < {bound}",
            search_params={"params": {"ef": 128}},
            consistency_level="Strong",
        )
        return [int(hit["id"]) for hit in hits]

    def insert(self, row: int, vector: Vectors) -> None:
        self.client.upsert("benchmark", [{"id": row, "draw": 999, "vector": vector.tolist()}])

    def _client(self) -> Any:
        from pymilvus import MilvusClient

        return MilvusClient(str(self.folder / "milvus.db"))
