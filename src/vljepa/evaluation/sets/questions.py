"""Questions about pictures, answered by choosing: GQA, TallyQA, POPE, POPEv2, CLEVR."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vljepa.evaluation.sets.files import field_of, read_json, read_records, text_of
from vljepa.evaluation.sets.item import Count, Data, Item, SetError
from vljepa.evaluation.sets.protocol import VqaProtocol, YesNoProtocol


@dataclass(frozen=True, kw_only=True)
class Gqa(VqaProtocol):
    """`answers`: the vocabulary to choose among, that of the balanced training questions, or (a smaller, kinder one)
    that of the questions themselves. The paper does not say."""

    answers: Literal["train", "testdev"] = "train"


def read_gqa(root: Path, settings: Gqa) -> Data:
    """`testdev_balanced_questions.json`: id to question, answer, imageId."""
    path = root / "testdev_balanced_questions.json"
    asked = read_json(path)
    source = root / "train_balanced_questions.json" if settings.answers == "train" else path
    vocabulary = Counter(
        text_of(row, "answer", source) for row in (read_json(source) if source != path else asked).values()
    )
    items = [
        Item(
            id=name,
            media=(text_of(row, "imageId", path),),
            text=text_of(row, "question", path),
            label=text_of(row, "answer", path),
        )
        for name, row in asked.items()
    ]
    # An answer that training never gave cannot be chosen: it stays a question that is lost, and is told.
    never = {item.label for item in items} - set(vocabulary)
    labels = {answer: answer for answer in [*sorted(vocabulary), *sorted(never)]}
    return Data(
        items=tuple(items),
        labels=labels,
        expected={"items": Count(number=12_578, sure=False)},
    )


@dataclass(frozen=True, kw_only=True)
class Tally(VqaProtocol):
    """`numbers`: counts to choose among, as digits or as words; 0 to 15."""

    media: str = "."
    numbers: Literal["digits", "words"] = "digits"


WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen"),
)


def read_tally(root: Path, settings: Tally) -> Data:
    """`test.json`: answer, image, question, question_id, issimple; pictures are COCO's and Visual Genome's."""
    path = root / "test.json"
    items = [
        Item(
            id=str(field_of(row, "question_id", path)),
            media=(text_of(row, "image", path),),
            text=text_of(row, "question", path),
            label=str(int(field_of(row, "answer", path))),
            group="simple" if field_of(row, "issimple", path) else "complex",
        )
        for row in read_records(path)
    ]
    labels = {str(n): str(n) if settings.numbers == "digits" else WORDS[n] for n in range(16)}
    return Data(
        items=tuple(items),
        labels=labels,
        expected={
            "items of simple": Count(number=22_991, sure=False),
            "items of complex": Count(number=15_598, sure=False),
        },
    )


@dataclass(frozen=True, kw_only=True)
class Pope(YesNoProtocol):
    """POPE on COCO; the paper's figure is the plain mean of the three parts."""

    media: str = "val2014"


POPE_PARTS = ("random", "popular", "adversarial")


def yes_no(settings: YesNoProtocol) -> dict[str, str]:
    """The two answers."""
    if settings.answers == "words":
        return {"yes": "yes", "no": "no"}
    return {"yes": "Yes, it is there.", "no": "No, it is not there."}


def read_pope(root: Path, settings: Pope) -> Data:
    """`coco_pope_PART.json`: lines of question_id, image, text, label."""
    items = []
    for part in POPE_PARTS:
        path = root / f"coco_pope_{part}.json"
        items += [
            Item(
                id=f"{part}:{field_of(row, 'question_id', path)}",
                media=(text_of(row, "image", path),),
                text=text_of(row, "text", path),
                label=text_of(row, "label", path).lower(),
                group=part,
            )
            for row in read_records(path)
        ]
    expected = {"items": Count(number=9_000), "media": Count(number=500)}
    expected |= {f"items of {part}": Count(number=3_000) for part in POPE_PARTS}
    return Data(items=tuple(items), labels=yes_no(settings), expected=expected)


def read_pope_v2(root: Path, settings: YesNoProtocol) -> Data:
    """`test.parquet`: pairs of pictures, one question; the pictures lie in the file. Needs pyarrow."""
    path = root / "test.parquet"
    blobs, items = {}, []
    for row in _parquet(path):
        for kind in ("normal", "counterfactual"):
            pair = str(field_of(row, "example_id", path))
            name = f"{pair}/{kind}"
            blobs[name] = _picture(field_of(row, f"{kind}_image", path), path)
            label = str(field_of(row, f"{kind}_label", path)).strip().lower()
            items.append(
                Item(id=name, media=(name,), text=text_of(row, "question", path), label=label, group=kind, pair=pair)
            )
    expected = {"items": Count(number=1_000), "items of normal": Count(number=500)}
    return Data(items=tuple(items), labels=yes_no(settings), blobs=blobs, expected=expected)


def _parquet(path: Path) -> list[Mapping[str, Any]]:
    try:
        from pyarrow import ArrowInvalid, parquet
    except ImportError as error:
        raise SetError("parquet files need pyarrow: install vljepa[train]") from error
    if not path.is_file():
        raise SetError(f"there is no {path.name} in {path.parent}")
    try:
        return list(parquet.read_table(path).to_pylist())
    except (ArrowInvalid, OSError) as error:
        raise SetError(f"{path} is no parquet file that can be read ({error}): fetch it again") from error


def _picture(value: Any, path: Path) -> bytes:
    """Pictures are bytes, or a record that holds them, as `datasets` writes them."""
    found = value.get("bytes") if isinstance(value, Mapping) else value
    if not isinstance(found, bytes) or not found:
        raise SetError(f"{path}: a record has a picture without content: fetch the file again")
    return found


CLEVR_ANSWERS = (
    *("yes", "no", *map(str, range(11))),
    *("cube", "sphere", "cylinder", "large", "small", "metal", "rubber"),
    *("gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow"),
)


def read_clevr(root: Path, settings: VqaProtocol) -> Data:
    """`CLEVR_val_questions.json`: questions with image_filename, question, answer, question_index."""
    path = root / "CLEVR_val_questions.json"
    items = [
        Item(
            id=str(field_of(row, "question_index", path)),
            media=(text_of(row, "image_filename", path),),
            text=text_of(row, "question", path),
            label=text_of(row, "answer", path),
        )
        for row in field_of(read_json(path), "questions", path)
    ]
    labels = {answer: answer for answer in CLEVR_ANSWERS}
    return Data(
        items=tuple(items),
        labels=labels,
        expected={"items": Count(number=149_991, sure=False), "labels": Count(number=28)},
    )
