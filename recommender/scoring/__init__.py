"""How relations are weighed. Plain Python: no Django."""
