"""Milvus, for more vectors than one machine holds: collections behind an alias, filled by the one writer."""
