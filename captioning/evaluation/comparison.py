"""Captioners side by side: figures with their uncertainty, in Markdown, HTML, JSON and as plots. No Django here."""

import base64
import html
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from captioning.training.dataset import CaptionedImage
from captioning.vision.picture_files import read_picture
from library.media.decoding import on_white

_SIDE_BY_SIDE = 24
_THUMBNAIL_PX = 220
_COLUMNS = {
    "bleu1": "BLEU-1", "bleu2": "BLEU-2", "bleu3": "BLEU-3", "bleu4": "BLEU-4", "meteor": "METEOR",
    "rouge_l": "ROUGE-L", "cider": "CIDEr", "cider_low": "from", "cider_high": "to", "match": "CLIPScore (ours)",
    "distinct": "distinct", "words": "words", "vocabulary": "vocabulary", "trained_parameters": "trained",
    "training_s": "training s", "training_processor_s": "processor s", "peak_mb": "peak MB",
    "captions_per_s": "captions/s",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One captioner: what it wrote of each picture, and its figures by name."""

    name: str
    what: str
    captions: tuple[str, ...]
    figures: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """Captioners over the same pictures. conditions: data, split, budget, seed, machine; as they are to be read."""

    conditions: Mapping[str, Any]
    images: tuple[CaptionedImage, ...]
    rows: tuple[Row, ...]


def wording(captions: Sequence[str]) -> dict[str, float]:
    """How various the captions are: distinct ones, mean length in words, words used at all."""
    words = [re.findall(r"\w+", text.lower()) for text in captions]
    return {
        "distinct": len(set(captions)),
        "words": sum(map(len, words)) / max(1, len(words)),
        "vocabulary": len({word for text in words for word in text}),
    }


def clip_score(cosines: NDArray[np.float64]) -> float:
    """CLIPScore's formula (Hessel et al. 2021), 2.5 * max(cos, 0), with whatever dual encoder gave the cosines (N,)."""
    return float((2.5 * np.maximum(cosines, 0)).mean())


def write_report(comparison: Comparison, folder: Path) -> None:
    """Write report.json, report.md, report.html (photos inside) and report.png to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [asdict(row) for row in comparison.rows]
    names = [image.path.name for image in comparison.images]
    (folder / "report.json").write_text(
        json.dumps({"conditions": comparison.conditions, "images": names, "rows": rows}, indent=1), "utf-8"
    )
    (folder / "report.md").write_text(_markdown(comparison), "utf-8")
    (folder / "report.html").write_text(_html(comparison), "utf-8")
    _plot(comparison, folder / "report.png")


def _markdown(comparison: Comparison) -> str:
    columns = _used(comparison)
    lines = ["# Captioners compared", ""]
    lines += [f"- {name}: {value}" for name, value in comparison.conditions.items()]
    lines += ["", "| captioner | " + " | ".join(_COLUMNS[key] for key in columns) + " |"]
    lines += ["|---" * (len(columns) + 1) + "|"]
    for row in comparison.rows:
        lines.append(f"| {row.name} | " + " | ".join(_shown(row.figures.get(key)) for key in columns) + " |")
    lines += ["", *(f"- **{row.name}**: {row.what}" for row in comparison.rows), "", "## Side by side", ""]
    for image, said in _side_by_side(comparison):
        lines += [f"**{image.path.name}**", ""]
        lines += [f"- {name}: {html.escape(' '.join(text.split()), quote=False)}" for name, text in said]
        lines.append("")
    return "\n".join(lines)


def _html(comparison: Comparison) -> str:
    columns = _used(comparison)
    head = "".join(f"<th>{html.escape(_COLUMNS[key])}</th>" for key in columns)
    body = "".join(
        f"<tr><th title='{html.escape(row.what)}'>{html.escape(row.name)}</th>"
        + "".join(f"<td>{_shown(row.figures.get(key))}</td>" for key in columns)
        + "</tr>"
        for row in comparison.rows
    )
    conditions = "".join(
        f"<li>{html.escape(name)}: {html.escape(str(value))}</li>"
        for name, value in comparison.conditions.items()
    )
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Captioners compared</title><style>"
        "body{font:16px/1.5 system-ui;margin:2rem;max-width:90rem}table{border-collapse:collapse}"
        "td,th{padding:.2rem .6rem;text-align:right;border-bottom:1px solid #ccc}"
        "figure{display:flex;gap:1rem;margin:1rem 0}dl{margin:0}dt{font-weight:600}dd{margin:0 0 .3rem}</style>"
        f"<h1>Captioners compared</h1><ul>{conditions}</ul>"
        f"<table><tr><th></th>{head}</tr>{body}</table><h2>Side by side</h2>{_pictures(comparison)}</html>"
    )


def _side_by_side(comparison: Comparison) -> Iterator[tuple[CaptionedImage, list[tuple[str, str]]]]:
    """A few pictures, evenly over all of them, with what a person and each captioner said."""
    stride = max(1, len(comparison.images) // _SIDE_BY_SIDE)
    for at in range(0, len(comparison.images), stride)[:_SIDE_BY_SIDE]:
        image = comparison.images[at]
        yield (
            image,
            [("human", image.captions[0]), *((row.name, row.captions[at]) for row in comparison.rows)],
        )


def _pictures(comparison: Comparison) -> str:
    figures = []
    for image, said in _side_by_side(comparison):
        lines = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>" for name, text in said)
        figures.append(
            f"<figure><img src='{_thumbnail(image.path)}' alt='{html.escape(image.captions[0], quote=True)}'>"
            f"<dl>{lines}</dl></figure>"
        )
    return "".join(figures)


def _thumbnail(path: Path) -> str:
    small = on_white(read_picture(path, at_least_px=_THUMBNAIL_PX))
    small.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
    file = io.BytesIO()
    small.save(file, "WEBP", quality=70)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


def _plot(comparison: Comparison, target: Path) -> None:
    rows = [row for row in comparison.rows if row.figures.get("cider") is not None]
    figure = Figure(figsize=(9, 1.2 + 0.45 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for place, row in enumerate(reversed(rows)):
        cider = row.figures["cider"] or 0.0
        low, high = (row.figures.get(key) or cider for key in ("cider_low", "cider_high"))
        axes.barh(place, cider, color="#4a7ebb")
        axes.plot([low, high], [place, place], color="black")
    axes.set_yticks(range(len(rows)), [row.name for row in reversed(rows)])
    axes.set_xlabel("CIDEr, with its 95% interval over pictures")
    figure.savefig(target, dpi=110)


def _used(comparison: Comparison) -> list[str]:
    return [key for key in _COLUMNS if any(row.figures.get(key) is not None for row in comparison.rows)]


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 20 else f"{value:.3f}".rstrip("0").rstrip(".")
