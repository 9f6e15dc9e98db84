"""What a run measured, kept as lines of JSON and drawn: readable while it runs, and when it was resumed."""

import json
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

HISTORY = "history.jsonl"
CURVES = "curves.png"


class History:
    """Rows of `history.jsonl` in the run's folder, each with its step; later ones than `step` were of a run cut off."""

    def __init__(self, run_dir: Path, *, step: int) -> None:
        self.file = run_dir / HISTORY
        self.rows = [row for row in _read(self.file) if row["step"] <= step]
        self.file.write_text("".join(json.dumps(row) + "\n" for row in self.rows), encoding="utf-8")

    def add(self, step: int, **values: float) -> None:
        """Keep what was measured at a step."""
        self.rows.append({"step": step, **values})
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(self.rows[-1]) + "\n")

    def draw(self) -> Path:
        """One curve under the other, over the steps; returns the picture."""
        names = list(dict.fromkeys(name for row in self.rows for name in row if name != "step"))
        figure = Figure(figsize=(7, 2.2 * max(1, len(names))), layout="constrained")
        FigureCanvasAgg(figure)
        for place, name in enumerate(names, start=1):
            axes = figure.add_subplot(len(names), 1, place)
            points = [(row["step"], row[name]) for row in self.rows if name in row]
            axes.plot(*zip(*points, strict=True), marker="." if len(points) < 50 else "")
            axes.set_ylabel(name)
            axes.grid(alpha=0.3)
        if names:
            figure.axes[-1].set_xlabel("step")
        target = self.file.with_name(CURVES)
        figure.savefig(target, dpi=100)
        return target


def _read(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        return []
    rows = []
    for line in file.read_text("utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:  # the last line of a process that was killed
            break
    return rows
