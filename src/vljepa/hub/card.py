"""The model card of a saved folder, with a report's scores in its model-index, where hubs look for them."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from vljepa.weights.folder import FolderSettings

_TAGS = ["vl-jepa", "video", "zero-shot-classification", "visual-question-answering", "video-captioning"]
_REPORTED = "## Measured"
Report = str | os.PathLike[str] | Mapping[str, Any]


def model_card(settings: FolderSettings, card: str, report: Report | None) -> str:
    """The folder's own card, or a new one where it had none; with the scores of a report if there is one."""
    card = card if card.strip() else _new(settings)
    if report is None:
        return card
    made, values = ModelCard(card, ignore_metadata_errors=True), _read(report)
    assert isinstance(made.data, ModelCardData), "a ModelCard has these"
    made.data.model_name = settings.name
    made.data.eval_results = [_result(row, values) for row in values["rows"]]
    before = made.content.partition(f"\n{_REPORTED}")[0].rstrip()
    made.content = f"{before}\n\n{_REPORTED}\n\n{_table(values)}\n"
    return str(made)


def _new(settings: FolderSettings) -> str:
    data = ModelCardData(library_name="vljepa", pipeline_tag="feature-extraction", tags=_TAGS)
    return f"""---
{data.to_yaml()}
---

# VL-JEPA {settings.name}

A vision-language model that looks at a picture or a video, reads a question and predicts the embedding of the answer
(VL-JEPA, arXiv 2512.10942). It reads {settings.frames} frames of a video.

## Use

```python
import vljepa.hub
from transformers import AutoModel, AutoProcessor

model = AutoModel.from_pretrained("this folder or repository")
processor = AutoProcessor.from_pretrained("this folder or repository")
```

`vljepa.load("this folder")` and `vljepa classify --model FOLDER ...` open it as well. `vljepa weights check FOLDER`
tells whether it still computes what it computed when it was saved.

## Limits

Nothing was written down here about what it was trained on, nor about what it cannot do: ask whoever trained it.
"""


def _read(report: Report) -> Mapping[str, Any]:
    """The report's content. ValueError where it is no report of `vljepa evaluate --json`."""
    name = "the report"
    if not isinstance(report, Mapping):
        name = str(report)
        try:
            report = json.loads(Path(report).read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{name} is no report ({error}): make one with vljepa evaluate --json") from error
    if not isinstance(report, Mapping) or not {"benchmark", "rows", "receipt"} <= report.keys():
        raise ValueError(f"{name} is no report: make one with vljepa evaluate --json")
    return report


def _result(row: Mapping[str, Any], report: Mapping[str, Any]) -> EvalResult:
    return EvalResult(
        task_type="feature-extraction",
        dataset_type=str(report["benchmark"]),
        dataset_name=f"{report['benchmark']}: {row['name']} ({row['num_items']} items)",
        metric_type=str(row["unit"]),
        metric_name=str(row["name"]),
        metric_value=row["score"],
        metric_args={"protocol": row["protocol"], "beside": dict(row["baselines"])},
    )


def _table(report: Mapping[str, Any]) -> str:
    """Scores beside what they have to be compared with, their protocols, and the receipt."""
    lines = ["| what | score | beside it | items |", "|---|---|---|---|"]
    for row in report["rows"]:
        beside = ", ".join(f"{name} {value:.3g}" for name, value in row["baselines"].items())
        lines.append(f"| {row['name']} | {row['score']:.3g} | {beside} | {row['num_items']} |")
    lines += ["", "Protocols:", "", *(f"- {row['name']}: {row['protocol']}" for row in report["rows"])]
    lines += ["", "Receipt:", "", *(f"- {name}: {value}" for name, value in report["receipt"].items())]
    return "\n".join(lines)
