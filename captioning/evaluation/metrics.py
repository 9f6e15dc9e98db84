"""Caption metrics as the field reports them, by the reference implementations of pycocoevalcap. No Django here."""

import contextlib
import io
import re
import shutil
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = dict[str, float | None]


def score_captions(
    candidates: Sequence[str], references: Sequence[Sequence[str]], *, tokenizer: str = "ptb"
) -> Scores:
    """BLEU-1..4 (Papineni et al. 2002), ROUGE-L (Lin 2004), METEOR (Denkowski & Lavie 2014), CIDEr (Vedantam et
    al. 2015) of N captions against the N lists of human ones.

    CIDEr 1.0 is the "100" of papers. tokenizer: `ptb` (the Penn Treebank one that published figures use; needs
    Java) or `simple` (lower case, words only). METEOR needs Java as well and is None without it.
    """
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    wanted = {number: list(texts) for number, texts in enumerate(references)}
    written = {number: [text] for number, text in enumerate(candidates)}
    tokenize = _ptb if tokenizer == "ptb" else _simple
    truth, guess = tokenize(wanted), tokenize(written)
    with contextlib.redirect_stdout(io.StringIO()):
        bleu, _ = Bleu(4).compute_score(truth, guess)
        rouge, _ = Rouge().compute_score(truth, guess)
        cider, _ = Cider().compute_score(truth, guess)
    return {
        **{f"bleu{n}": float(value) for n, value in enumerate(bleu, start=1)},
        "rouge_l": float(rouge),
        "meteor": _meteor(truth, guess) if tokenizer == "ptb" else None,
        "cider": float(cider),
    }


def cider_of_each(
    candidates: Sequence[str], references: Sequence[Sequence[str]], *, tokenizer: str = "ptb"
) -> NDArray[np.float64]:
    """CIDEr of every caption by itself, (N,); their mean is the CIDEr of all."""
    from pycocoevalcap.cider.cider import Cider

    tokenize = _ptb if tokenizer == "ptb" else _simple
    truth = tokenize({number: list(texts) for number, texts in enumerate(references)})
    guess = tokenize({number: [text] for number, text in enumerate(candidates)})
    _, each = Cider().compute_score(truth, guess)
    return np.asarray(each, np.float64)


def best_tokenizer() -> str:
    """`ptb` where Java is installed, else `simple`."""
    return "ptb" if shutil.which("java") else "simple"


def _meteor(truth: dict[int, list[str]], guess: dict[int, list[str]]) -> float:
    from pycocoevalcap.meteor.meteor import Meteor

    scorer = Meteor()
    try:
        value, _ = scorer.compute_score(truth, guess)
    finally:
        scorer.meteor_p.kill()
        scorer.meteor_p.wait()
        for pipe in (scorer.meteor_p.stdin, scorer.meteor_p.stdout, scorer.meteor_p.stderr):
            pipe.close()
    return float(value)


def _ptb(texts: dict[int, list[str]]) -> dict[int, list[str]]:
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    # one line per caption goes to the tokenizer, so a caption must be one line
    rows = {
        number: [{"caption": " ".join(text.split())} for text in group] for number, group in texts.items()
    }
    tokenized: Any = PTBTokenizer().tokenize(rows)
    return {number: list(group) for number, group in tokenized.items()}


def _simple(texts: dict[int, list[str]]) -> dict[int, list[str]]:
    return {
        number: [" ".join(re.findall(r"\w+", text.lower())) for text in group]
        for number, group in texts.items()
    }
