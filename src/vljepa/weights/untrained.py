"""Parts that nobody has trained: what projections as they were drawn would answer looks like an answer and is none."""

from collections.abc import Collection

_RECIPES = {"y_decoder": "`vljepa train decoder`"}
_OTHERS = "`vljepa train pretrain` or `vljepa train finetune`"


class UntrainedPartError(ValueError):
    """Something was asked of a part that was never trained."""


def refuse_untrained(untrained: Collection[str], *parts: str) -> None:
    """UntrainedPartError for the first of the parts that nobody has trained, with the recipe that does."""
    for part in parts:
        if part in untrained:
            raise UntrainedPartError(
                f"the part {part} of this model was never trained, and its answers would mean nothing: "
                f"train it with {_RECIPES.get(part, _OTHERS)}, with --model and its folder"
            )
