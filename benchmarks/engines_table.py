"""What `engines.py` measured, as a table in Markdown."""

import json
from collections.abc import Mapping
from pathlib import Path

#: Headings, and which figure stands below each.
_COLUMNS = {
    "kind": "kind",
    "build s": "build_s",
    "resident MB": "resident_mb",
    "of it mapped": "mapped_mb",
    "p50 ms": "p50_ms",
    "of it computing": "p50_cpu_ms",
    "p99 ms": "p99_ms",
    "q/s 1": "qps_1",
    "q/s 8": "qps_8",
    "recall": "recall",
    "at 10%": "recall_10%",
    "at 1%": "recall_1%",
    "at 0.1%": "recall_0.1%",
    "p50 at 10%": "p50_ms_10%",
    "fresh p50 ms": "fresh_p50_ms",
    "never found": "fresh_lost",
}


def table(title: str, files: Mapping[str, Path]) -> str:
    """A row for each engine, whose figures lie in a file of JSON; what it has not measured stays empty."""
    lines = [title, "", f"| engine | {' | '.join(_COLUMNS)} |", "|---" * (len(_COLUMNS) + 1) + "|"]
    for name, file in files.items():
        figures = json.loads(file.read_text("utf-8"))
        cells = [name, *(str(figures.get(key, "")) for key in _COLUMNS.values())]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
