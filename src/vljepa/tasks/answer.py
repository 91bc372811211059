"""Visual question answering: clips and a question in; the best candidate, or decoded text, out (paper, section 4.4)."""

from collections.abc import Sequence
from dataclasses import dataclass

from vljepa.embedder import Embedder
from vljepa.tasks.candidates import Score, checked_candidates, rankings
from vljepa.tasks.caption import caption
from vljepa.types import Clip, check_text


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`ranked`: chosen among candidates, whose `scores` are given; otherwise decoded, with a caption's `fidelity`.

    `unsure`: as of a caption; what is ranked has probabilities instead.
    """

    answer: str
    ranked: bool
    scores: tuple[Score, ...] = ()
    none_of_these: float | None = None
    fidelity: float | None = None
    unsure: bool = False


def answer(
    embedder: Embedder, clips: Sequence[Clip], *, question: str, candidates: Sequence[str] | None = None
) -> list[Answer]:
    """The answer to one question about each clip, chosen among the candidates, or decoded where there are none (None).

    ValueError for an empty or too long question and for candidates that are empty or stand there twice.
    """
    asked = check_text(question, what="the question")
    if candidates is None:
        said = caption(embedder, clips, query=asked)
        return [Answer(answer=one.caption, ranked=False, fidelity=one.fidelity, unsure=one.unsure) for one in said]
    texts = checked_candidates(candidates, what="candidate")
    return [
        Answer(answer=found.scores[0].label, ranked=True, scores=found.scores, none_of_these=found.none_of_these)
        for found in rankings(embedder, clips, candidates=texts, query=asked)
    ]
