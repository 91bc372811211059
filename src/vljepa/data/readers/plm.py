"""Conversations about pictures and videos, one JSON object a line, as PerceptionLM's training reads them.

A line names its medium in `image` or `video` (a path under --media, else beside the file) and holds `conversations`,
turns of `human` and `assistant`. Each pair of turns is a question with its answer; a pair without words on the human
side, or a line with `caption`, is a caption; `label`, `question`, `answer`, `candidates` are read as in a folder's
table. `start_time` and `end_time` cut videos.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vljepa.data.readers.listed import parts_of
from vljepa.data.readers.row import Left, ReaderError, Row, Source
from vljepa.data.readers.table import merged, plain_name, read_lines, row_from_line
from vljepa.types import Question

_MARKER = re.compile(r"<(?:image|video)>")


def open_plm(path: Path, *, media: Path | None = None) -> Source:
    """The rows of a JSONL. Raises ReaderError."""
    if path.suffix.lower() != ".jsonl":
        raise ReaderError(f"{path} is no .jsonl file: give the file that holds one conversation a line")
    folder = media or path.parent
    if not folder.is_dir():
        raise ReaderError(f"there is no folder {folder}: give the folder of the media with --media")
    rows = [_row(line, where=where, folder=folder) for where, line in read_lines(path)]
    return Source(name=f"plm-{plain_name(path.stem)}", place=str(path.resolve()), parts=parts_of(merged(rows)))


def _row(line: Mapping[str, Any], *, where: str, folder: Path) -> Row | Left:
    medium = line.get("image", line.get("video"))
    if not isinstance(medium, str):
        what = "several media" if isinstance(medium, list) else "no medium"
        return Left(reason=what, sentence=f"{where} has {what}: give one, in image or video")
    try:
        questions, captions = _turns(line.get("conversations", []))
    except ValueError as error:
        return Left(reason="line that makes no sense", sentence=f"{where}: {error}")
    known = ("caption", "label", "question", "answer", "candidates", "licence", "split", "recording")
    plain = {name: line[name] for name in known if name in line} | {"media": medium}
    plain |= {name: line[f"{name}_time"] for name in ("start", "end") if f"{name}_time" in line}
    row = row_from_line(plain, where=where, folder=folder, said=bool(questions or captions))
    if isinstance(row, Left):
        return row
    return replace(row, questions=(*row.questions, *questions), captions=(*row.captions, *captions))


def _turns(conversations: Any) -> tuple[tuple[Question, ...], tuple[str, ...]]:
    """Questions and captions. ValueError unless human and assistant take turns."""
    if not isinstance(conversations, list) or len(conversations) % 2:
        raise ValueError("conversations must be a list of turns, human and assistant by turns")
    questions, captions = list[Question](), list[str]()
    for human, assistant in zip(conversations[::2], conversations[1::2], strict=True):
        query, answer = _said(human, "human"), _said(assistant, "assistant")
        if not answer:
            raise ValueError("a turn of the assistant is empty")
        if query:
            questions.append(Question(query=query, answer=answer, candidates=(answer,), kind="question"))
        else:
            captions.append(answer)
    return tuple(questions), tuple(captions)


def _said(turn: Any, who: str) -> str:
    if not isinstance(turn, dict) or turn.get("from") not in (who, "gpt" if who == "assistant" else who):
        raise ValueError(f"a turn of the {who} is missing: conversations go human, assistant, human ...")
    return _MARKER.sub(" ", str(turn.get("value", ""))).strip()
