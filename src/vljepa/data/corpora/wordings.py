"""Words for pictures: clean names out of titles and file names, wordings of one fact, questions about names."""

import hashlib
import re
from collections.abc import Callable, Collection, Sequence

from vljepa.types import Question, unique


def word_set(text: str) -> frozenset[str]:
    """The words of a text, each once."""
    return frozenset(text.split())


_PAREN = re.compile(r"[(\[{|].*")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NO_WORD = re.compile(r"[^a-z' -]+")
_DIGITS = re.compile(r"\d+[a-z]?\b|\d+")
_EMPTY_WORDS = word_set(
    "clipart clip art svg png bw icon icons logo silhouette silhouet simple cartoon symbol illustration"
)
_COLOURS = word_set("red green blue yellow orange black white pink purple brown grey gray alt")
_NO_THING = word_set("example out outside outline sign open general one two alt style format type version nicu")
_CUT = re.compile(r" (?:with|of|in|on|at|for|and|by|from|holding|under|over|or|to|like|the|a|an) .*")
_UNCOUNTED = word_set(
    "bread milk rice water fire snow rain wind fog juice cheese butter honey salt tea coffee wine beer meat "
    "pasta sushi corn garlic toast bacon sand grass money music furniture jewelry luggage lightning sunrise "
    "sunset"
)
_MANY = re.compile(r"\w+s (?:up|with|of|in|on|pressed) ")
_PERSONS, _GROUPS = word_set("man woman person"), word_set("men women people children")
_PLURALS = {
    **{word: word for word in ("sheep", "fish", "deer", "squid", "shrimp", "salmon", "trout", "aircraft")},
    **{"man": "men", "woman": "women", "person": "people", "child": "children", "snowman": "snowmen"},
    **{"mouse": "mice", "goose": "geese", "foot": "feet", "tooth": "teeth", "ox": "oxen", "bus": "buses"},
    **{"leaf": "leaves", "knife": "knives", "wolf": "wolves", "loaf": "loaves", "scarf": "scarves", "calf": "calves"},
    **{"tomato": "tomatoes", "potato": "potatoes", "volcano": "volcanoes", "cactus": "cactuses"},
}
_DETERMINED = word_set("the a an my mount")
_KEEPS_S = (
    "ss",
    "us",
    "is",
    "glasses",
    "scissors",
    "pants",
    "jeans",
    "shorts",
    "binoculars",
    "chess",
    "gas",
    "bus",
    "christmas",
)


def clean_name(text: str) -> str:
    """A title, tag or file name as plain lower-case words, without digits, brackets and words like "clipart"."""
    text = _CAMEL.sub(" ", _PAREN.sub("", text)).lower().replace("&", " and ")
    text = _DIGITS.sub(" ", re.sub(r"[_/.,:;#*+]", " ", text).replace("-", " "))
    words = [word.strip("'") for word in _NO_WORD.sub(" ", text).split()]
    kept = [word for word in words if word and word not in _EMPTY_WORDS]
    while kept and len(kept[-1]) == 1:
        kept.pop()
    return " ".join(kept)


def singular(name: str) -> str:
    """The name with its last word in the singular where a plain -s or -ies shows the plural."""
    if name.endswith(_KEEPS_S) or not name.endswith("s") or len(name) < 4:
        return name
    if name.endswith("ies") and len(name) > 5:
        return name[:-3] + "y"
    if name.endswith(("shes", "ches", "xes", "sses", "toes")):
        return name[:-2]
    return name[:-1]


def plural(name: str) -> str:
    """Several of them: "foxes", "cherries", "mice"; names that have no other form, or are several already, stay.

    Only the last word changes.
    """
    before, blank, last = name.rpartition(" ")
    if last in _PLURALS:
        return f"{before}{blank}{_PLURALS[last]}"
    if (last.endswith("s") and not last.endswith(("ss", "us", "is"))) or last in _UNCOUNTED:
        return name
    if last.endswith(("s", "x", "z", "ch", "sh")):
        return f"{name}es"
    return f"{name[:-1]}ies" if last.endswith("y") and last[-2:-1] not in "aeiou" else f"{name}s"


def main_name(name: str, nouns: Collection[str]) -> str:
    """The noun that says what the thing is: the longest ending of the name that is a noun ("" where there is none).

    "red sports car" -> "sports car"; "cat with a ball" -> "cat".
    """
    words = _CUT.sub("", " ".join(word for word in name.split() if word not in _COLOURS) or name).split()
    while len(words) > 1 and words[-1] in _NO_THING:
        words.pop()
    if words and words[-1] in _NO_THING:
        return ""
    for start in range(len(words)):
        ending = " ".join(words[start:])
        if ending in nouns or singular(ending) in nouns:
            return singular(ending)
    return ""


def with_article(name: str) -> str:
    """ "a dog", "an apple", "dogs", "milk": the name as it stands in a sentence."""
    first, head = name.partition(" ")[0], _CUT.sub("", name).rpartition(" ")[2]
    plural = head.endswith("s") and not head.endswith(("ss", "us", "is"))
    if first in _PERSONS:
        return f"a {name}"
    if plural or head in _UNCOUNTED or first in _GROUPS or first in _DETERMINED or _MANY.match(name):
        return name
    return f"{'an' if name[:1] in 'aeiou' and not name.startswith(('uni', 'eu', 'one', 'use')) else 'a'} {name}"


def picture_captions(
    name: str, *, styles: Sequence[str], tags: Sequence[str] = (), description: str = "", detail: str = ""
) -> tuple[str, ...]:
    """Wordings of one picture: each style's phrase first, then name, detail, description, and the name with tags."""
    phrase = with_article(name)
    wordings = [f"{style} {phrase}" for style in styles] + [name, detail, description]
    others = [tag for tag in tags if tag != name][:5]
    if others:
        wordings.append(", ".join([name, *others]))
    return unique([wording for wording in wordings if wording])


def name_questions(name: str, names: Sequence[str], *, query: str = "what is this?") -> tuple[Question, ...]:
    """ "What is this?" with the name among eight candidates; the others are drawn from `names` by the name's hash.

    Names that contain the answer's last word, or stand in it, are no fair distractors and are left out.
    """
    head = singular(name.rpartition(" ")[2])
    fair = sorted({other for other in names if other != name and not _overlap(head, other, name)}, key=_rank(name))
    if len(fair) < 7:
        return ()
    candidates = sorted([name, *fair[:7]], key=_rank(name + "?"))
    return (Question(query=query, answer=name, candidates=tuple(candidates), kind="name"),)


def _overlap(head: str, other: str, name: str) -> bool:
    words = {singular(word) for word in other.split()}
    return head in words or singular(other.rpartition(" ")[2]) in {singular(word) for word in name.split()}


def _rank(seed: str) -> Callable[[str], bytes]:
    """An order that is random to the eye and always the same."""
    return lambda text: hashlib.sha256(f"{seed}/{text}".encode()).digest()
