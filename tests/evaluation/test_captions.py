"""Caption scores against aac-metrics (itself equal to coco-caption), and the tokenizer against Stanford's."""

import importlib
import importlib.util
import math
import random
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from vljepa.evaluation.captions import bleu_4, cider_d, reference_corpus, rouge_l, tokens_from_caption

WORDS = ["a", "the", "red", "blue", "cat", "dog", "runs", "sits", "on", "under", "table", "slowly", ",", ".", "isn't"]


@pytest.fixture(scope="module")
def oracle() -> Iterator[dict[str, ModuleType]]:
    """The three files of aac-metrics; its package root would import a model library that they do not need."""
    spec = importlib.util.find_spec("aac_metrics")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("aac-metrics is not installed")
    root = spec.submodule_search_locations[0]
    for name in ("aac_metrics", "aac_metrics.functional", "aac_metrics.utils"):
        package = ModuleType(name)
        package.__path__ = ["/".join([root, *name.split(".")[1:]])]
        sys.modules[name] = package
    yield {name: importlib.import_module(f"aac_metrics.functional.{name}") for name in ("cider_d", "bleu", "rouge_l")}
    for name in [name for name in sys.modules if name.split(".")[0] == "aac_metrics"]:
        del sys.modules[name]


def captions(seed: int, *, num_items: int = 25) -> tuple[list[str], list[list[str]]]:
    """Random captions, some empty and some equal to a reference, with one to five references each."""
    draw = random.Random(seed)

    def sentence(shortest: int) -> str:
        return " ".join(draw.choices(WORDS[:-3], k=draw.randint(shortest, 14)) + draw.choices(WORDS, k=2))

    references = [[sentence(1) for _ in range(draw.randint(1, 5))] for _ in range(num_items)]
    said = [draw.choice([sentence(0), references[item][0]]) for item in range(num_items)]
    said[3] = ""
    return said, references


@pytest.mark.parametrize("seed", range(5))
def test_cider_d_equals_aac_metrics(oracle: dict[str, ModuleType], seed: int) -> None:
    said, references = captions(seed)
    whole, each = oracle["cider_d"].cider_d(said, references, tokenizer=tokens_from_caption)
    ours = cider_d(said, references, corpus=reference_corpus("itself", references))
    assert ours.score == pytest.approx(float(whole["cider_d"]), abs=1e-6)
    assert ours.each == pytest.approx(each["cider_d"].tolist(), abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_bleu_4_equals_aac_metrics(oracle: dict[str, ModuleType], seed: int) -> None:
    said, references = captions(seed)
    whole, each = oracle["bleu"].bleu(said, references, tokenizer=tokens_from_caption)
    ours = bleu_4(said, references)
    assert ours.score == pytest.approx(float(whole["bleu_4"]), abs=1e-6)
    assert ours.each == pytest.approx(each["bleu_4"].tolist(), abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_rouge_l_equals_aac_metrics(oracle: dict[str, ModuleType], seed: int) -> None:
    said, references = captions(seed)
    whole, each = oracle["rouge_l"].rouge_l(said, references, tokenizer=tokens_from_caption)
    ours = rouge_l(said, references)
    assert ours.score == pytest.approx(float(whole["rouge_l"]), abs=1e-6)
    assert ours.each == pytest.approx(each["rouge_l"].tolist(), abs=1e-6)


def test_cider_d_by_hand() -> None:
    references = [["a cat"], ["a dog"]]
    ours = cider_d(["a cat", "cat a"], references, corpus=reference_corpus("two", references))
    # "a" is in both items and weighs nothing; "cat" and "a cat" are right; there are no runs of three or four words.
    assert ours.each == pytest.approx([10 * (1 + 1) / 4, 0])


def test_cider_d_penalises_another_length() -> None:
    references = [["a cat"], ["dogs run far away"]]
    corpus = reference_corpus("two", references)
    (alone,) = cider_d(["a cat"], references[:1], corpus=corpus).each
    (longer,) = cider_d(["a cat zebra"], references[:1], corpus=corpus).each
    norms = (math.sqrt(2 / 3) + math.sqrt(1 / 2)) / 2
    assert longer == pytest.approx(alone * norms * math.exp(-1 / 72))


def test_the_corpus_decides_what_is_rare() -> None:
    said, references = ["a red cat"], [["a red dog"]]
    rare = reference_corpus("rare", [["a red dog"], ["a blue bird"], ["a fox"]])
    common = reference_corpus("common", [["a red dog"], ["a red bird"], ["a red fox"]])
    assert cider_d(said, references, corpus=rare).score > 0
    assert cider_d(said, references, corpus=common).score < cider_d(said, references, corpus=rare).score


# Right sides are the output of Stanford's PTBTokenizer 3.4.1 in lower case, as coco-caption calls and filters it.
@pytest.mark.parametrize(
    ("caption", "tokens"),
    [
        (
            "A man doesn't like it's dog, and can't go. I'll we've they're he'd John's",
            "a man does n't like it 's dog and ca n't go i 'll we 've they 're he 'd john 's",
        ),
        ("cannot gonna gotta wanna lemme gimme", "can not gon na got ta wan na lem me gim me"),
        ("\"Quoted text\" and 'single quoted' words", "quoted text and single quoted words"),
        ("(in parentheses) [brackets] {braces}", "-lrb- in parentheses -rrb- -lsb- brackets -rsb- -lcb- braces -rcb-"),
        ("a t-shirt - dashed -- double --- triple", "a t-shirt dashed double triple"),
        ("$5 and 50% of 10,000 and 3.5 at 3:30 p.m.", "$ 5 and 50 % of 10,000 and 3.5 at 3:30 p.m."),
        ("in the U.S. by Mr. Smith and/or Dr. Who", "in the u.s. by mr. smith and/or dr. who"),
        ("wait... what?! no!! really??", "wait what ?! no !! really ??"),
        ("me@x.com http://www.site.com/a?b=1 #tag @user AT&T", "me@x.com http://www.site.com/a?b=1 #tag @user at&t"),
        ("1/2 cup 3-year-old 20th 1990's o'clock", "1/2 cup 3-year-old 20th 1990 's o'clock"),
        ("No. 5 no. A sentence.Another one,without", "no. 5 no a sentence.another one without"),
        ("John F. Kennedy is option A.", "john f. kennedy is option a"),
        ("men\u2019s “curly” don\u2019t…", "men 's curly do n't"),
        ("A  man\tcalls.\n", "a man calls"),
        ("", ""),
    ],
)
def test_tokens_equal_those_of_the_treebank_tokenizer(caption: str, tokens: str) -> None:
    assert tokens_from_caption(caption) == tokens.split()


def test_missing_references_are_named() -> None:
    with pytest.raises(ValueError, match="item 1 has no list of references"):
        rouge_l(["a", "b"], [["a"], []])
    with pytest.raises(ValueError, match="item 0 has no list of references"):
        bleu_4(["a cat"], ["a cat"])
    with pytest.raises(ValueError, match="1 captions and 2 lists"):
        bleu_4(["a"], [["a"], ["b"]])
    with pytest.raises(ValueError, match="at least two"):
        reference_corpus("one", [["a cat"]])
