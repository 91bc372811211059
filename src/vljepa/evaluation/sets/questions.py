"""Questions about pictures, answered by choosing: GQA, TallyQA, POPE, POPEv2, CLEVR."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vljepa.evaluation.sets.files import read_object, read_records
from vljepa.evaluation.sets.item import Count, Data, Item, SetError
from vljepa.evaluation.sets.protocol import VqaProtocol, YesNoProtocol
from vljepa.evaluation.sets.record import Record


@dataclass(frozen=True, kw_only=True)
class Gqa(VqaProtocol):
    """`answers`: the vocabulary to choose among, that of the balanced training questions, or (a smaller, kinder one)
    that of the questions themselves. The paper does not say."""

    answers: Literal["train", "testdev"] = "train"


def read_gqa(root: Path, settings: Gqa) -> Data:
    """`testdev_balanced_questions.json`: id to question, answer, imageId."""
    asked = dict(read_object(root / "testdev_balanced_questions.json").members("question"))
    vocabulary = {row.text("answer") for row in asked.values()}
    if settings.answers == "train":
        path = root / "train_balanced_questions.json"
        if not path.exists():
            raise SetError(
                f"there is no {path.name} in {root}: the answers to choose among are those of the training questions, "
                "so fetch it too (or choose --set answers=testdev)"
            )
        vocabulary = {row.text("answer") for _, row in read_object(path).members("question")}
    items = [
        Item(id=name, media=(row.text("imageId"),), text=row.text("question"), label=row.text("answer"))
        for name, row in asked.items()
    ]
    # An answer that training never gave cannot be chosen: it stays a question that is lost, and is told.
    never = {item.label for item in items} - vocabulary
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
    items = [
        Item(
            id=row.text("question_id"),
            media=(row.text("image"),),
            text=row.text("question"),
            label=str(row.whole("answer")),
            group="simple" if row.value("issimple") else "complex",
        )
        for row in read_records(root / "test.json")
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
        items += [
            Item(
                id=f"{part}:{row.text('question_id')}",
                media=(row.text("image"),),
                text=row.text("text"),
                label=row.text("label").lower(),
                group=part,
            )
            for row in read_records(root / f"coco_pope_{part}.json")
        ]
    expected = {"items": Count(number=9_000), "media": Count(number=500)}
    expected |= {f"items of {part}": Count(number=3_000) for part in POPE_PARTS}
    return Data(items=tuple(items), labels=yes_no(settings), expected=expected)


def read_pope_v2(root: Path, settings: YesNoProtocol) -> Data:
    """`test.parquet`: pairs of pictures, one question; the pictures lie in the file. Needs pyarrow."""
    blobs, items = {}, []
    for row in _parquet(root / "test.parquet"):
        for kind in ("normal", "counterfactual"):
            pair = row.text("example_id")
            name = f"{pair}/{kind}"
            blobs[name] = _picture(row, f"{kind}_image")
            label = row.text(f"{kind}_label").lower()
            items.append(Item(id=name, media=(name,), text=row.text("question"), label=label, group=kind, pair=pair))
    expected = {"items": Count(number=1_000), "items of normal": Count(number=500)}
    return Data(items=tuple(items), labels=yes_no(settings), blobs=blobs, expected=expected)


def _parquet(path: Path) -> list[Record]:
    try:
        from pyarrow import ArrowInvalid, parquet
    except ImportError as error:
        raise SetError("parquet files need pyarrow: install vljepa[train]") from error
    if not path.is_file():
        raise SetError(f"there is no {path.name} in {path.parent}")
    try:
        rows = parquet.read_table(path).to_pylist()
    except (ArrowInvalid, OSError) as error:
        raise SetError(f"{path} is no parquet file that can be read ({error}): fetch it again") from error
    return [Record(row, where=f"{path}, row {n}") for n, row in enumerate(rows, start=1)]


def _picture(row: Record, name: str) -> bytes:
    """Pictures are bytes, or a record that holds them, as `datasets` writes them."""
    value = row.value(name)
    found = value.get("bytes") if isinstance(value, Mapping) else value
    if not isinstance(found, bytes) or not found:
        raise SetError(f"{row.where}: {name!r} has no content: fetch the file again")
    return found


CLEVR_ANSWERS = (
    *("yes", "no", *map(str, range(11))),
    *("cube", "sphere", "cylinder", "large", "small", "metal", "rubber"),
    *("gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow"),
)


def read_clevr(root: Path, settings: VqaProtocol) -> Data:
    """`CLEVR_val_questions.json`: questions with image_filename, question, answer, question_index."""
    items = [
        Item(
            id=row.text("question_index"),
            media=(row.text("image_filename"),),
            text=row.text("question"),
            label=row.text("answer"),
        )
        for row in read_object(root / "CLEVR_val_questions.json").records("questions")
    ]
    labels = {answer: answer for answer in CLEVR_ANSWERS}
    return Data(
        items=tuple(items),
        labels=labels,
        expected={"items": Count(number=149_991, sure=False), "labels": Count(number=28)},
    )
