"""A second domain for a captioner: product photos with sentences made of their attributes, as a dataset folder.

    python benchmarks/fashion_captions.py --items $DATASETS/fashion --output var/fashion

The folder of items has `images/` and `items.csv`. A sentence says what a person sees: colour, pattern, kind of thing
and for whom it is. Brands, model names, season and occasion can't be seen and are left out. Each photo gets two
sentences, as two people would put it. Products of one name are often photos of one thing, so the split goes by the
hash of the name: 75% train, 10% calib, 15% dev, none on two sides. Known context stands in the columns title (the
brand) and tags (the broad category and the season). The other columns would tell the answer: `usage` is a part of
what shoes are called here (casual, formal, sports), and `subCategory` is often the thing itself.
"""

import argparse
import csv
import hashlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

#: What is seen is no metal or cloth of a catalogue.
_COLOURS = {
    "multi": "multicoloured", "steel": "silver", "metallic": "silver", "grey melange": "grey",
    "off white": "off-white", "coffee brown": "brown", "taupe": "brown", "copper": "copper-coloured",
}  # fmt: skip
_PATTERNS = (
    (r"\bcheck(ed|s)?\b", "checked"), (r"\bstripe[sd]?\b", "striped"), (r"\bpolka\b", "polka dot"),
    (r"\b(floral|flowers?)\b", "floral"), (r"\b(printed|print|graphic)\b", "printed"), (r"\bsolid\b", "plain"),
)  # fmt: skip
_PAIRS = {
    "trousers", "jeans", "shorts", "track pants", "capris", "leggings", "tights", "stockings", "socks", "briefs",
    "boxers", "trunk", "lounge shorts", "sunglasses", "cufflinks", "gloves", "churidar", "flats", "heels", "sandals",
    "flip flops", "sports sandals", "casual shoes", "sports shoes", "formal shoes", "tracksuits",
}  # fmt: skip
_THINGS = {
    "tshirts": "T-shirt", "watches": "watch", "dresses": "dress", "clutches": "clutch bag", "trunk": "trunks",
    "kurtas": "kurta", "kurtis": "kurti", "scarves": "scarf", "innerwear vests": "vest", "bra": "bra",
    "flats": "flat shoes", "heels": "heeled shoes", "accessory gift set": "gift set",
    "perfume and body mist": "bottle of perfume", "deodorant": "deodorant", "tracksuits": "tracksuit",
    "shoe accessories": "shoe accessory", "free gifts": "gift", "travel accessory": "travel accessory",
}  # fmt: skip
_PEOPLE = {"Men": "men", "Women": "women", "Boys": "boys", "Girls": "girls"}
_DEV, _CALIB = 15, 25


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Path(os.environ["DATASETS"]) / "fashion" if "DATASETS" in os.environ else None
    parser.add_argument("--items", type=Path, default=default, required=default is None)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    counts = convert(arguments.items, arguments.output)
    print(", ".join(f"{split} {count}" for split, count in sorted(counts.items())))
    return 0


def convert(items: Path, output: Path) -> dict[str, int]:
    """Write captions.csv and images (links to those of `items`); returns how many photos each split has."""
    output.mkdir(parents=True, exist_ok=True)
    images = output / "images"
    if not images.exists():
        images.symlink_to((items / "images").resolve())
    counts: dict[str, int] = {}
    with (
        (items / "items.csv").open(encoding="utf-8", newline="") as table,
        (output / "captions.csv").open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(["image", "split", "caption", "title", "tags"])
        for item in csv.DictReader(table):
            split = split_of(item["productDisplayName"])
            counts[split] = counts.get(split, 0) + 1
            title, tags = known_of(item)
            for sentence in sentences(item):
                writer.writerow([item["image"], split, sentence, title, tags])
    return counts


def sentences(item: dict[str, str]) -> Iterator[str]:
    """ "A navy blue checked shirt for men." and "A men's checked shirt in navy blue." """
    colour = item["baseColour"].lower()
    colour = _COLOURS.get(colour, colour)
    pattern, people = _pattern(item), _PEOPLE.get(item["gender"])
    before, behind = (pattern, "") if pattern == "plain" else ("", pattern)
    named = f"{behind} {_thing(item)}"
    for_whom, whose = (f"for {people}", f"{people}'s") if people else ("", "")
    yield _with_article(f"{_a_pair_of(item)} {before} {colour} {named} {for_whom}")
    yield _with_article(f"{_a_pair_of(item)} {before} {whose} {named} in {colour}")


def known_of(item: dict[str, str]) -> tuple[str, str]:
    """Title and tags: the brand, where it says nothing of the answer, and the broad category with the season."""
    before = re.split(r"\b(?:men|women|unisex|boys|girls|kids)\b", item["productDisplayName"], flags=re.I)[0]
    told = {word for sentence in sentences(item) for word in re.findall(r"\w+", sentence.lower())}
    brand = " ".join(before.split()) if not told & set(re.findall(r"\w+", before.lower())) else ""
    return brand, f"{item['masterCategory'].lower()}, {item['season'].lower()}"


def split_of(name: str) -> str:
    """By the hash of the product's name, whatever else is in the table."""
    place = int(hashlib.sha256(name.strip().lower().encode()).hexdigest()[:8], 16) % 100
    return "dev" if place < _DEV else "calib" if place < _CALIB else "train"


def _pattern(item: dict[str, str]) -> str:
    name = item["productDisplayName"].lower()
    return next((word for pattern, word in _PATTERNS if re.search(pattern, name)), "")


def _thing(item: dict[str, str]) -> str:
    kind = item["articleType"].lower()
    if kind in _THINGS:
        thing = _THINGS[kind]
        return "polo shirt" if thing == "T-shirt" and _is_polo(item["productDisplayName"]) else thing
    return kind if kind in _PAIRS else kind.removesuffix("s")


def _is_polo(name: str) -> bool:
    return bool(re.search(r"\bpolo\b", re.sub(r"U\.?S\.? Polo|Classic Polo", "", name, flags=re.I), re.I))


def _a_pair_of(item: dict[str, str]) -> str:
    return "pair of" if item["articleType"].lower() in _PAIRS - {"tracksuits"} else ""


def _with_article(words: str) -> str:
    words = " ".join(words.split())
    return f"{'An' if words[0] in 'aeio' else 'A'} {words}."


if __name__ == "__main__":
    sys.exit(main())
