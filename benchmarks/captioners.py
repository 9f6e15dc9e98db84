"""Our captioner against plain `generate` of the same model, batch, decoding and device, in one run.

    python benchmarks/captioners.py --dataset $DATASETS/flickr8k [--photos 96] [--batch 32] [--rounds 2] [--json]

Both caption the same backbone features with the shipped weights, merged, in the same precision, with the decoding that
the quality figures use. `plain` is what a reader of transformers' manual would write; `ours` is what workers run. Each
round is a fresh process, and they take turns. Also: photos per second from file to sentence, and how long one photo
alone takes. Fails where ours is slower than plain, slower than --least photos/s on a CPU, or one takes longer than 3 s.
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.embedded import figures_apart, photos_of

#: Of the CPU goal: at least so many photos per second in batches, and at most so long for one.
_LEAST_PHOTOS_PER_S, _LONGEST_S = 2.0, 3.0


def main() -> int:
    arguments = parsed()
    if arguments.arm:
        print(json.dumps(measured(arguments)))
        return 0
    rounds: dict[str, list[dict[str, float]]] = {"plain": [], "ours": []}
    for _ in range(arguments.rounds):
        for arm, results in rounds.items():
            results.append(apart(arguments, arm))
    plain, ours = (median(rounds[arm], "captions_per_s") for arm in ("plain", "ours"))
    result = {
        "n_photos": arguments.photos,
        "batch": arguments.batch,
        "ours_captions_per_s": round(ours, 2),
        "plain_captions_per_s": round(plain, 2),
        "ratio": round(ours / plain, 3),
        "photos_per_s_from_file": round(median(rounds["ours"], "photos_per_s"), 2),
        "one_photo_s": round(median(rounds["ours"], "one_s"), 2),
        "device": arguments.device or "best",
        "cores": os.cpu_count(),
    }
    print(json.dumps(result) if arguments.json else "\n".join(f"{k}: {v}" for k, v in result.items()))
    slow = result["photos_per_s_from_file"] < arguments.least or result["one_photo_s"] > _LONGEST_S
    return 1 if ours < plain or slow else 0


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Path(os.environ["DATASETS"]) / "flickr8k" if "DATASETS" in os.environ else None
    parser.add_argument("--dataset", type=Path, default=default, required=default is None)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--photos", type=int, default=96)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--device")
    parser.add_argument("--least", type=float, default=_LEAST_PHOTOS_PER_S)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--arm", choices=["plain", "ours"], help=argparse.SUPPRESS)
    return parser.parse_args()


def apart(arguments: argparse.Namespace, arm: str) -> dict[str, float]:
    """One round in a process of its own: neither has the other's memory, settings or warm caches."""
    command = [__file__, "--dataset", arguments.dataset, "--split", arguments.split, "--arm", arm]
    command += ["--photos", arguments.photos, "--batch", arguments.batch]
    command += ["--device", arguments.device] if arguments.device else []
    return figures_apart(command)


def measured(arguments: argparse.Namespace) -> dict[str, float]:
    """Captions per second from features, photos per second from files, seconds for one photo."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    import torch
    from django.conf import settings

    from captioning import services
    from captioning.active import SHIPPED_CHECKPOINT
    from captioning.captioners.visual import VisualCaptioner
    from captioning.evaluation.captioner import frame_batches
    from captioning.training.dataset import CaptionedImage

    backbone, cache = services.backbone(), str(settings.MODEL_CACHE_DIR)
    if arguments.arm == "ours":
        captioner: Any = VisualCaptioner(
            str(SHIPPED_CHECKPOINT), cache, arguments.device, judge=settings.CAPTIONER_JUDGE
        )
    else:
        captioner = Plain(SHIPPED_CHECKPOINT, Path(cache), arguments.device)
    photos = photos_of(arguments.dataset, arguments.split, arguments.photos)
    images = [CaptionedImage(path, ("",)) for path in photos]
    batches = list(frame_batches(images, backbone, captioner, arguments.batch))

    def finished() -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter()

    captioner.caption(batches[0])  # what is slow only once is not what is asked
    started = finished()
    for batch in batches:
        captioner.caption(batch)
    captioned = finished()
    for batch in frame_batches(images, backbone, captioner, arguments.batch):
        captioner.caption(batch)
    from_files = finished()
    alone = []
    for image in images[:5]:
        begun = finished()
        captioner.caption(next(frame_batches([image], backbone, captioner, 1)))
        alone.append(finished() - begun)
    return {
        "captions_per_s": len(photos) / (captioned - started),
        "photos_per_s": len(photos) / (from_files - captioned),
        "one_s": statistics.median(alone),
    }


class Plain:
    """The same weights behind transformers' `generate` as it comes."""

    def __init__(self, checkpoint: Path, cache: Path, device: str | None) -> None:
        import torch

        from captioning.captioners.checkpoint import load_checkpoint
        from captioning.captioners.language_model import load_base
        from captioning.captioners.visual_lm import VisualLanguageModel
        from core.devices import best_device, inference_dtype

        manifest, weights = load_checkpoint(checkpoint)
        tokenizer, lm = load_base(manifest.base, cache)
        self.model = VisualLanguageModel(lm, tokenizer, manifest.architecture)
        with torch.no_grad():
            self.model.load_trained_state(weights)
        self.device = best_device(device)
        self.lm = self.model.lm.merge_and_unload()
        self.model.lm = self.lm.to(inference_dtype(self.device))
        if self.model.vision is not None:
            self.model.vision.to(inference_dtype(self.device))
        self.model.to(self.device).eval()
        self.decoding = {key: manifest.decoding[key] for key in ("num_beams", "max_new_tokens", "do_sample")}

    def caption(self, frames: Any) -> list[str]:
        """The likeliest sentences."""
        import torch

        with torch.inference_mode():
            seen = self.model.read_of(frames)
            hints = self.model.hints(frames.features.logits, self.model.concept_scores(frames.features))
            embeds, mask = self.model.prompts(seen, hints, ["normal"] * len(hints))
            ids = self.lm.generate(
                inputs_embeds=embeds,
                attention_mask=mask,
                eos_token_id=self.model.tokenizer.eos_token_id,
                pad_token_id=self.model.tokenizer.eos_token_id,
                **self.decoding,
            )
        texts: list[str] = self.model.tokenizer.batch_decode(ids, skip_special_tokens=True)
        return texts


def median(results: list[dict[str, float]], key: str) -> float:
    return statistics.median(result[key] for result in results)


if __name__ == "__main__":
    sys.exit(main())
