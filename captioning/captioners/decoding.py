"""How words are drawn from a captioner: what people may choose, and the name that keeps choices apart.

greedy                          the likeliest word each time
beam5                           the likeliest sentence of five kept at each step
nucleus0.9                      words drawn from the likeliest ones, which hold 0.9 together (Holtzman et al. 2020)
beam3,max_new_tokens=40         with more to say
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from core.errors import InvalidInput

DEFAULT_MAX_NEW_TOKENS = 24
_FORMS = "greedy, beamN (beam5), nucleusP (nucleus0.9), and key=value"
_FORM = re.compile(r"(greedy)|beam(\d+)|nucleus(\d*\.?\d+)")


@dataclass(frozen=True)
class Decoding:
    """What is chosen; None leaves it as the captioner has it. InvalidInput names the key and its rule.

    num_beams: 1 is greedy. top_p, temperature: words are drawn, so no beams. no_repeat_ngram_size: no run of so many
    tokens comes twice in a caption; 0 allows it. match_weight: of several sentences the one is taken whose own score
    plus so many times its match with the picture, to the judge, is highest; 0 asks no judge.
    """

    num_beams: int | None = None
    top_p: float | None = None
    temperature: float | None = None
    max_new_tokens: int | None = None
    no_repeat_ngram_size: int | None = None
    match_weight: float | None = None

    def __post_init__(self) -> None:
        _check("num_beams", self.num_beams, 1, 16)
        _check("top_p", self.top_p, 0.01, 1.0)
        _check("temperature", self.temperature, 0.05, 5.0)
        _check("max_new_tokens", self.max_new_tokens, 1, 256)
        _check("no_repeat_ngram_size", self.no_repeat_ngram_size, 0, 10)
        _check("match_weight", self.match_weight, 0.0, 1000.0)
        if self.draws and (self.num_beams or 1) > 1:
            raise InvalidInput(
                "top_p and temperature draw words, num_beams searches: choose one of them.", field="decoding"
            )

        if self.match_weight and (self.draws or self.num_beams == 1):
            raise InvalidInput(
                "match_weight chooses among beams: there is nothing to choose from one sentence.",
                field="decoding",
            )

    @property
    def draws(self) -> bool:
        """Whether words are drawn by chance."""
        return self.top_p is not None or self.temperature is not None

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `beam5`, `nucleus0.9,max_new_tokens=40`, `num_beams=5` and the like; empty chooses nothing."""
        chosen: dict[str, Any] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            for key, value in _read(part).items():
                if key in chosen:
                    raise InvalidInput(f"{key} is said twice in {text!r}.", field="decoding")
                chosen[key] = value
        return cls(**chosen)

    def over(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments of `generate`: a captioner's `own`, with what is chosen put over them."""
        result = {"do_sample": False, "max_new_tokens": DEFAULT_MAX_NEW_TOKENS, **own}
        if self.draws or self.num_beams is not None:
            for key in ("num_beams", "top_p", "top_k", "temperature"):
                result.pop(key, None)
            if (self.num_beams or 1) == 1:
                for key in ("concept_agreement", "match_weight"):  # they rank beams
                    result.pop(key, None)
        if self.draws:
            result |= {"do_sample": True, "top_k": 0, "top_p": self.top_p or 1.0}
            result |= {"temperature": self.temperature or 1.0}
        elif self.num_beams is not None:
            result |= {"do_sample": False, "num_beams": self.num_beams}
        for key in ("max_new_tokens", "no_repeat_ngram_size", "match_weight"):
            if (value := getattr(self, key)) is not None:
                result[key] = value
        return result


def name_of(arguments: Mapping[str, Any]) -> str:
    """What tells the captions of these arguments of `generate` from others: `beam3-agree0.1`, `nucleus0.9-max40`."""
    agreement, match = arguments.get("concept_agreement", 0.0), arguments.get("match_weight", 0.0)
    if arguments.get("do_sample"):
        name = f"nucleus{arguments.get('top_p', 1.0):g}"
        if (temperature := arguments.get("temperature", 1.0)) != 1.0:
            name += f"-t{temperature:g}"
    else:
        name = f"beam{arguments.get('num_beams', 1)}" + (f"-agree{agreement:g}" if agreement else "")
        name += f"-match{match:g}" if match else ""
    if (longest := arguments.get("max_new_tokens", DEFAULT_MAX_NEW_TOKENS)) != DEFAULT_MAX_NEW_TOKENS:
        name += f"-max{longest}"
    if repeats := arguments.get("no_repeat_ngram_size", 0):
        name += f"-norep{repeats}"
    return name


def spoken(arguments: Mapping[str, Any]) -> str:
    """The same for people: `greedy`, `beam 3`, `nucleus 0.9`, with the rest behind it."""
    kind, _, rest = name_of(arguments).partition("-")
    if kind == "beam1":
        kind = "greedy"
    kind = re.sub(r"(?<=[a-z])(?=\d)", " ", kind)
    rest = "-".join(part for part in rest.split("-") if part and not part.startswith(("agree", "match")))
    return f"{kind} ({rest})" if rest else kind


def model_id_with(model_id: str, own: Mapping[str, Any], chosen: Decoding) -> str:
    """The id of a captioner whose captions are decoded as `chosen`, where `model_id` stands for its `own` way."""
    if (name := name_of(chosen.over(own))) == name_of(own):
        return model_id
    return f"{model_id.removesuffix(f'-{name_of(own)}')}-{name}"


def _read(part: str) -> dict[str, Any]:
    if found := _FORM.fullmatch(part):
        greedy, beams, share = found.groups()
        return {"num_beams": 1} if greedy else {"num_beams": int(beams)} if beams else {"top_p": float(share)}
    key, equals, value = (each.strip() for each in part.partition("="))
    kinds: dict[str, Callable[[str], Any]] = {
        each.name: int if "int" in str(each.type) else float for each in fields(Decoding)
    }
    if not equals or key not in kinds:
        known = ", ".join(kinds)
        raise InvalidInput(f"{part!r} is no decoding: allowed are {_FORMS} of {known}.", field="decoding")
    try:
        return {key: kinds[key](value)}
    except ValueError as error:
        kind = "a whole number" if kinds[key] is int else "a number"
        raise InvalidInput(f"{key} must be {kind}, not {value!r}.", field="decoding") from error


def _check(key: str, value: float | None, least: float, most: float) -> None:
    if value is not None and not least <= value <= most:
        raise InvalidInput(f"{key} must be from {least:g} to {most:g}, not {value:g}.", field="decoding")
