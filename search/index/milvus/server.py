"""Where Milvus is and how it is to be used: plain values, read from the settings."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MilvusServer:
    """Where Milvus is, and how its collections are made.

    uri: http://host:19530, or a file that milvus-lite keeps. consistency: Strong, Bounded, Session or Eventually.
    index: FLAT, HNSW, IVF_SQ8, or what else the server knows; effort: its `ef` or `nprobe`.
    """

    uri: str
    token: str = ""
    consistency: str = "Strong"
    index: str = "HNSW"
    effort: int = 128
    replicas: int = 1
    timeout_s: float = 30.0
