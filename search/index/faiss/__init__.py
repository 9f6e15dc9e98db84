"""FAISS on one machine: sealed generations on disk, and a tail in memory for what came after."""
