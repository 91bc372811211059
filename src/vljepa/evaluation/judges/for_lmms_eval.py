"""lmms-eval's view of a model folder: `--model vljepa --model_args folder=FOLDER`, found by its entry point.

Nearly all tasks there want generated text. Where a task's answers are known (yes and no, small numbers, lettered
options in the question) they are ranked, otherwise the Y-Decoder speaks; how many were which is logged, since the two
are not one protocol. lmms-eval pins older libraries than ours, so the two share an environment only where versions fit.
"""

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lmms_eval.api.model import lmms

from vljepa.api import Model, load
from vljepa.evaluation.judges.media import clip_from

YES_NO = ("yes", "no")
NUMBERS = tuple(str(number) for number in range(16))
_YES_NO_TASKS = ("pope",)
_NUMBER_TASKS = ("tallyqa", "countbench")
_OPTION = re.compile(r"^\(?([A-Z])[.):]\s*(.+)$", re.MULTILINE)
_INSTRUCTION = re.compile(
    r"^(answer (the question|with)|please (answer|select|respond)).*$", re.IGNORECASE | re.MULTILINE
)

_log = logging.getLogger(__name__)


class VLJEPA(lmms):  # type: ignore[misc]
    """`folder`: a model folder; without one the shipped model."""

    is_simple = True

    def __init__(self, folder: str | None = None, device: str = "auto", **_: Any) -> None:
        super().__init__()
        self._model: Model = load(folder and Path(folder), device=device)
        self.ranked = self.decoded = 0

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """An answer to each request: ranked where the answers are known, decoded elsewhere."""
        answers = []
        for context, _, doc_to_visual, doc_id, task, split in (request.args for request in requests):
            visuals = doc_to_visual(self.task_dict[task][split][doc_id])
            answers.append(self._answer(visuals, question_of(context), choices=choices_of(context, task=task)))
        _log.warning("%d answers were ranked among known ones, %d were decoded", self.ranked, self.decoded)
        return answers

    def _answer(self, visuals: Sequence[Any], question: str, *, choices: dict[str, str] | None) -> str:
        if len(visuals) != 1:
            raise ValueError(f"a request shows {len(visuals)} media: this model looks at one picture or video")
        clip = clip_from(visuals[0], num_frames=self._model.embedder.num_frames)
        if choices is None:
            self.decoded += 1
            return self._model.ask(clip, question).answer
        self.ranked += 1
        best = self._model.ask(clip, question, candidates=list(choices)).answer
        return choices[best]

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """NotImplementedError: embeddings have no likelihood of tokens."""
        raise NotImplementedError("vljepa predicts embeddings, not tokens: choose tasks of the kind generate_until")

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[str]:
        """NotImplementedError: there is no memory of earlier rounds."""
        raise NotImplementedError("vljepa answers one question at a time: choose tasks of the kind generate_until")


def choices_of(context: str, *, task: str) -> dict[str, str] | None:
    """Text of each known answer to what has to be said for it; None where answers are not known."""
    options = _OPTION.findall(context)
    if len(options) > 1 and len({text.strip() for _, text in options}) == len(options):
        return {text.strip(): letter for letter, text in options}
    if task.startswith(_YES_NO_TASKS):
        return {text: text for text in YES_NO}
    if task.startswith(_NUMBER_TASKS):
        return {text: text for text in NUMBERS}
    return None


def question_of(context: str) -> str:
    """The question without options and without instructions about the form of the answer."""
    bare = _INSTRUCTION.sub("", _OPTION.sub("", context.replace("<image>", "").replace("<video>", "")))
    return " ".join(bare.split()) or "What is this?"


def manifest() -> Any:
    """What the entry point `lmms_eval.models` gives."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return ModelManifest(model_id="vljepa", simple_class_path="vljepa.evaluation.judges.for_lmms_eval.VLJEPA")
