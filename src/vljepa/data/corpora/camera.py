"""Short camera recordings: daily actions and falls with their events (MIT, test only), sample clips (CC BY 4.0)."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from vljepa.data.corpora.corpus import split_of
from vljepa.data.corpora.given import read_given
from vljepa.data.corpora.wordings import name_questions
from vljepa.data.packages import Package
from vljepa.data.shards import Record
from vljepa.types import Event, Sample, unique

_ACTIONS = {
    "Falling (BW)": "falling backwards",
    "Falling (FW)": "falling forwards",
    "Falling (SW)": "falling sideways",
}
_REMARKS = re.compile(r" *(?:\. *Full body.*|\((?:side view|LS|RS)\)| view \d+)")
# Written after looking at the three clips, whose own labels only name a task.
_SCENES = {
    "bottle detection": ("a hand takes and puts back bottles of water on a table", "three bottles of water on a table"),
    "car detection": ("cars drive along a road, seen from above", "a street with passing cars seen from above"),
    "one by one person detection": (
        "people walk one by one to a round table in a room",
        "a person walks up to a small round table and leaves again",
    ),
}
_STARTS_WITH_VERB = re.compile(r"^[A-Z][a-z]+ing\b")


class Camera:
    """36 clips with their own sound and size; bytes are passed on as they are."""

    name = "camera"
    licence = "MIT and CC BY 4.0 (each sample says which)"
    about = "recordings of daily actions and falls, signed words, and three scenes"
    packages: tuple[Package, ...] = ()
    folders = ("clips",)

    def __init__(self) -> None:
        """A source with nothing left out yet."""
        self.skipped: Counter[str] = Counter()

    def parts(self) -> int:
        """Two parts: daily actions, sample clips."""
        return 2

    def samples(self, part: int, files: Mapping[str, Path]) -> Iterator[Sample]:
        """The clips in the order of the given shards."""
        self.skipped = Counter()
        if part == 0:
            yield from (_daily_action(record) for record in read_given(files["clips"], "daily-actions"))
            return
        records = list(read_given(files["clips"], "samples"))
        words = [record.fields["label"] for record in records if record.fields["kind"] == "asl"]
        yield from (_sample_clip(record, words=words) for record in records)


def action_captions(text: str) -> tuple[str, ...]:
    """What is done in the clip, without remarks on the recording, as a phrase and as a sentence with a person in it."""
    plain = _REMARKS.sub("", text).strip(" .")
    lower = plain[:1].lower() + plain[1:]
    sentence = f"a person is {lower}" if _STARTS_WITH_VERB.match(plain) else lower
    return unique([sentence, lower])


def _daily_action(record: Record) -> Sample:
    events = tuple(
        Event(action=_ACTIONS.get(event["action"], event["action"].lower()), start=event["start"], end=event["end"])
        for event in sorted(record.fields["events"], key=lambda event: (event["start"], event["end"]))
    )
    in_order = ", then ".join(event.action for event in events)
    return Sample(
        key=record.key,
        media=record.media,
        extension=record.extension,
        captions=unique([*action_captions(record.fields["captions"][0]), f"a person: {in_order}"]),
        source="camera",
        licence=record.fields["licence"],
        concept=record.fields["recording"],
        split="test",
        events=events,
        credit=record.fields["source"],
    )


def _sample_clip(record: Record, *, words: list[str]) -> Sample:
    fields = record.fields
    signed = fields["kind"] == "asl"
    captions = (fields["captions"][0], f"sign language: {fields['label']}") if signed else _SCENES[fields["label"]]
    return Sample(
        key=record.key,
        media=record.media,
        extension=record.extension,
        captions=captions,
        source="camera",
        licence=fields["licence"],
        concept=fields["recording"],
        split=split_of(fields["recording"]),
        questions=name_questions(fields["label"], words, query="which word is signed?") if signed else (),
        label=fields["label"],
        credit=fields["source"],
    )
