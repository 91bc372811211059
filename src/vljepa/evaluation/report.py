"""What an evaluation found, with the receipt that lets a stranger find it again."""

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from vljepa.data.sampling import Sampling, told


@dataclass(frozen=True, kw_only=True)
class Row:
    """One score beside what it has to be compared with.

    `score` and the baselines are shares (0 to 1) unless `unit` says otherwise; `floor` is the least that we ask of it.
    """

    name: str
    score: float
    num_items: int
    baselines: Mapping[str, float]
    protocol: str
    unit: str = "share"
    floor: float | None = None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """How the numbers came about.

    `missing` media are not there, `failed` ones cannot be read; neither is scored. `pool`: how many texts or media each
    item chooses among. `files`: sha256 of the annotation files. `further`: the protocol's other choices and findings.
    """

    command: str
    commit: str
    model: str
    data: str
    frames: int
    sampling: str
    query: str
    ties: str
    seed: int
    missing: int
    versions: Mapping[str, str]
    hardware: str
    failed: int = 0
    pool: int = 0
    resize: str = ""
    template: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    further: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Report:
    """Rows, curves and their receipt."""

    benchmark: str
    rows: tuple[Row, ...]
    receipt: Receipt
    curves: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    def markdown(self) -> str:
        """A table for model card and README, then the receipt."""
        lines = [f"## {self.benchmark}", "", "| what | score | beside it | items |", "|---|---|---|---|"]
        for row in self.rows:
            beside = ", ".join(f"{name} {_shown(value, row.unit)}" for name, value in row.baselines.items())
            score = f"**{_shown(row.score, row.unit)}**"
            if row.interval:
                score += f" ({_shown(row.interval[0], row.unit)} to {_shown(row.interval[1], row.unit)})"
            lines.append(f"| {row.name} | {score} | {beside} | {row.num_items} |")
        lines += ["", "Protocols:", ""] + [f"- {row.name}: {row.protocol}" for row in self.rows]
        lines += ["", "Receipt:", ""]
        return "\n".join([*lines, *receipt_lines(asdict(self.receipt))]) + "\n"


def receipt_lines(receipt: Mapping[str, Any]) -> list[str]:
    """A receipt as a list in Markdown, without what it says nothing of."""
    told = {name: value for name, value in receipt.items() if value not in ("", {}) and (name, value) != ("pool", 0)}
    return [
        f"- {name}: {', '.join(f'{key} {one}' for key, one in value.items()) if isinstance(value, Mapping) else value}"
        for name, value in told.items()
    ]


def _shown(value: float, unit: str) -> str:
    return f"{value:.1%}" if unit == "share" else f"{value:.3g}"


def receipt(
    *,
    command: str,
    model: str,
    data: str,
    frames: int,
    sampling: Sampling | None,
    missing: int,
    seed: int,
    query: str = "empty for retrieval, naming and captions; the question itself for answers",
    libraries: Sequence[str] = (),
    **further: Any,
) -> Receipt:
    """A receipt with what can be read off the machine.

    `sampling`: the model's rule, None where it sees nothing. `libraries`: further packages whose version matters.
    """
    packages = ("vljepa", "torch", "tokenizers", "av", "pillow", "numpy", *libraries)
    return Receipt(
        command=command,
        commit=_commit(),
        model=model,
        data=data,
        frames=frames,
        sampling="none" if sampling is None else told(sampling),
        query=query,
        ties="counted against the model; identical captions are merged",
        seed=seed,
        missing=missing,
        versions={name: metadata.version(name) for name in packages},
        hardware=f"{platform.machine()}, {_processor()}",
        **further,
    )


def _commit() -> str:
    """The commit of the source tree, with a mark where it was changed; for an installed wheel its version."""
    here = Path(__file__).parent
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=here,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return f"wheel {metadata.version('vljepa')}"
    return answer.stdout.strip() or f"wheel {metadata.version('vljepa')}"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or "unknown"
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else "unknown"


def data_hash(listing: Path) -> str:
    """Twelve digits over a corpus's list of shards, which itself holds their hashes."""
    return hashlib.sha256(listing.read_bytes()).hexdigest()[:12]
