"""Scores of captions against references as the field computes them: CIDEr-D, BLEU-4, ROUGE-L.

The numbers equal those of coco-caption; multiply by 100 to get what papers print. Tokens are those of the Penn
Treebank tokenizer that coco-caption calls, without its punctuation, ported to one expression.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_PUNCTUATION = frozenset(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"])
_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
_CURLY = str.maketrans(
    {
        "\u2019": "'",
        "\u2018": "`",
        "\u2013": "--",
        "\u2014": "--",
        "\u201c": "``",
        "\u201d": "''",
        "\u2026": "...",
        "\u00a0": " ",
        "\u00a3": "#",
        "\u20ac": "$",
    }
)
_TWO_WORDS = re.compile(r"^(can)(not)$|^(gon|wan)(na)$|^(got)(ta)$|^(lem|gim)(me)$|^(y')(all)$|^('t)(is|was)$")
_CONTRACTION = re.compile(r"^(.+?)(n't|'(?:s|re|ve|ll|d|m))$")
_TOKEN = re.compile(
    r"""
    https?://\S+ | www\.\S+ | [\w.+-]+@[\w-]+(?:\.\w+)+   # addresses
    | [\#@][a-z]\w*                                       # tags and names
    | (?:[a-z]\.){2,}                                     # u.s., p.m.
    | \b(?:mr|mrs|ms|dr|st|vs|jr|sr|inc|etc|prof|mt|spc|wm|ave|co|corp|ltd|lt|sgt|capt|gen|col|rev|ft)\.(?!\w)
    | \bno\.(?=\s*\d) | (?<![\w'])[a-z]\.(?=\s+\w)          # no. 5, john f. kennedy
    | 't(?:is|was)\b | '[0-9]0s\b | 'n'(?!\w) | y'all\b
    | (?<![\w])[-+]?\d+(?:[.,:/]\d+)*(?![\w'-])           # numbers and times
    | '(?:s|re|ve|ll|d|m)\b                               # left over after a quote or a number
    | \w+(?:(?:[-&/._]|'(?=[^\W\d]))\w+)*(?:\+\+|\#(?!\w))?
    | -{2,} | [?!]+ | `` | '' | \S
    """,
    re.VERBOSE,
)
_TINY, _SMALL = 1e-15, 1e-9

NGram = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CaptionScores:
    """The score of a whole set and of each of its captions, in order."""

    score: float
    each: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class ReferenceCorpus:
    """In how many items of a corpus an n-gram occurs; CIDEr-D values only compare under one corpus, hence the name."""

    name: str
    num_items: int
    frequencies: Mapping[NGram, int]


def tokens_from_caption(caption: str) -> list[str]:
    """Words of a caption in lower case, contractions split in two, punctuation left out."""
    found = _TOKEN.findall(caption.translate(_CURLY).lower())
    words = [word for token in found for word in _split(token)]
    return [word for word in words if word not in _PUNCTUATION]


def reference_corpus(name: str, references: Sequence[Sequence[str]]) -> ReferenceCorpus:
    """Count the n-grams of a set's references; the usual corpus is the references of the evaluated split itself."""
    if len(references) < 2:
        raise ValueError(f"corpus {name!r} has {len(references)} items: rarity needs at least two")
    frequencies: Counter[NGram] = Counter()
    for item in references:
        frequencies.update({ngram for reference in item for ngram in _ngrams(tokens_from_caption(reference))})
    return ReferenceCorpus(name=name, num_items=len(references), frequencies=frequencies)


def cider_d(
    candidates: Sequence[str], references: Sequence[Sequence[str]], *, corpus: ReferenceCorpus, sigma: float = 6.0
) -> CaptionScores:
    """CIDEr-D of one candidate per item against its references; 0 to 10, where papers print 100 times the value.

    `sigma` is the width of the penalty on a difference in length. ValueError where an item has no reference.
    """
    _check(candidates, references)
    each = []
    for candidate, item in zip(candidates, references, strict=True):
        said = _Weighted(candidate, corpus)
        total = sum(_similarity(said, _Weighted(reference, corpus), sigma=sigma) for reference in item)
        each.append(10 * total / len(item))
    return _scores(each)


def bleu_4(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> CaptionScores:
    """BLEU-4 with the closest reference length; the set's score comes from pooled counts, not from a mean."""
    _check(candidates, references)
    counts = [_matches(candidate, item) for candidate, item in zip(candidates, references, strict=True)]
    pooled = [sum(column) for column in zip(*counts, strict=True)]
    return CaptionScores(score=_bleu_from_counts(pooled), each=tuple(map(_bleu_from_counts, counts)))


def rouge_l(candidates: Sequence[str], references: Sequence[Sequence[str]], *, beta: float = 1.2) -> CaptionScores:
    """ROUGE-L: best precision and best recall of the longest common subsequence; `beta` weighs recall."""
    _check(candidates, references)
    each = []
    for candidate, item in zip(candidates, references, strict=True):
        said = tokens_from_caption(candidate)
        true = [tokens for tokens in map(tokens_from_caption, item) if tokens]
        common = [_common_length(said, tokens) for tokens in true]
        precision = max(common, default=0) / max(len(said), 1)
        recall = max((length / len(tokens) for length, tokens in zip(common, true, strict=True)), default=0.0)
        bottom = recall + beta**2 * precision
        each.append((1 + beta**2) * precision * recall / bottom if bottom else 0.0)
    return _scores(each)


class _Weighted:
    """A caption as one weighted vector of n-grams for each n."""

    def __init__(self, caption: str, corpus: ReferenceCorpus) -> None:
        counts = _ngrams(tokens_from_caption(caption))
        self.weights: list[dict[NGram, float]] = [{}, {}, {}, {}]
        for ngram, count in counts.items():
            rarity = math.log(corpus.num_items) - math.log(max(1, corpus.frequencies.get(ngram, 0)))
            self.weights[len(ngram) - 1][ngram] = count * rarity
        self.norms = [math.sqrt(sum(weight**2 for weight in row.values())) for row in self.weights]
        # The length that coco-caption compares is the number of pairs of words.
        self.length = sum(count for ngram, count in counts.items() if len(ngram) == 2)


def _similarity(said: _Weighted, true: _Weighted, *, sigma: float) -> float:
    """Mean over n of the clipped cosine, with the penalty on length."""
    total = 0.0
    for mine, other, norm in zip(
        said.weights, true.weights, [a * b for a, b in zip(said.norms, true.norms, strict=True)], strict=True
    ):
        dot = sum(min(weight, other[ngram]) * other[ngram] for ngram, weight in mine.items() if ngram in other)
        total += dot / norm if norm else dot
    return total / 4 * math.exp(-((said.length - true.length) ** 2) / (2 * sigma**2))


def _matches(candidate: str, references: Sequence[str]) -> list[int]:
    """Length, closest reference length, then n-grams said and n-grams that match for n of 1 to 4."""
    said = tokens_from_caption(candidate)
    true = [tokens_from_caption(reference) for reference in references]
    allowed: Counter[NGram] = Counter()
    for tokens in true:
        allowed |= _ngrams(tokens)
    matched = [0, 0, 0, 0]
    for ngram, count in (_ngrams(said) & allowed).items():
        matched[len(ngram) - 1] += count
    closest = min((abs(len(tokens) - len(said)), len(tokens)) for tokens in true)[1]
    return [len(said), closest, *(max(0, len(said) - n) for n in range(4)), *matched]


def _bleu_from_counts(counts: Sequence[int]) -> float:
    """BLEU-4 from the counts of `_matches`; the two small numbers are coco-caption's guard against empty captions."""
    length, closest, *rest = counts
    product = math.prod((rest[4 + n] + _TINY) / (rest[n] + _SMALL) for n in range(4))
    ratio = (length + _TINY) / (closest + _SMALL)
    return product**0.25 * (math.exp(1 - 1 / ratio) if ratio < 1 else 1.0)


def _common_length(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    lengths = [0] * (len(second) + 1)
    for word in first:
        diagonal = 0
        for place, other in enumerate(second, start=1):
            diagonal, lengths[place] = (
                lengths[place],
                (diagonal + 1 if word == other else max(lengths[place], lengths[place - 1])),
            )
    return lengths[-1]


def _split(token: str) -> list[str]:
    """The one or two words that the treebank makes of a token."""
    if token == '"' or token.startswith("--"):
        return []
    two = _TWO_WORDS.match(token)
    if two:
        return [part for part in two.groups() if part]
    contraction = _CONTRACTION.match(token)
    if contraction:
        return [*_split(contraction[1]), contraction[2]]
    return [_BRACKETS.get(token, token)]


def _ngrams(tokens: Sequence[str]) -> Counter[NGram]:
    """How often each run of one to four words occurs."""
    return Counter(tuple(tokens[i : i + n]) for n in range(1, 5) for i in range(len(tokens) - n + 1))


def _check(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    """ValueError where items are missing on either side."""
    if not candidates or len(candidates) != len(references):
        raise ValueError(f"{len(candidates)} captions and {len(references)} lists of references: give one list each")
    for place, item in enumerate(references):
        if isinstance(item, str) or not item:
            raise ValueError(f"item {place} has no list of references: give at least one reference")


def _scores(each: Sequence[float]) -> CaptionScores:
    return CaptionScores(score=math.fsum(each) / len(each), each=tuple(each))
