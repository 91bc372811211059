"""What can be said of an attempt of the robot arm: captions, captions that are wrong by a phrase, questions."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vljepa.data.corpora.metaworld_tasks import TASKS, Task
from vljepa.data.corpora.physics_stage import COLOURS
from vljepa.data.corpora.physics_words import with_a
from vljepa.types import Question, Told, unique

# Things that nobody takes for another one: asked for where they are, and as often where they are not.
_NOUNS = ("drawer", "door", "window", "faucet", "hammer", "puck", "lever", "coffee machine", "ring", "lid", "dial")
_SHARES = np.array([sum(task.noun == noun for task in TASKS.values()) for noun in _NOUNS], dtype=np.float64)
_ARMS = ("a robot arm", "the robot arm", "a robot", "the arm of a robot")
_NUM_TASKS, _NUM_NEXT = 8, 4
_TASK_QUERIES = ("what does the robot arm do?", "what is the robot doing?", "which task does the robot arm carry out?")
_PAIR_QUERIES = ("which of the two does the robot arm do?", "what happens, this or the opposite?")
_NEXT_QUERIES = ("what will the robot arm do next?", "what happens next?", "what is the robot about to do?")
_ENDS_QUERIES = ("does the robot arm succeed?", "does it work out?", "is the task completed?")


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What a clip shows: a task, in which colour its thing is painted ("" where it is not), and how it went.

    `outcome` is a manner of a rollout (done, half, short, beside), or "begun" for the first part of one that succeeds.
    """

    task: Task
    colour: str
    outcome: str

    def filled(self, text: str) -> str:
        """The text with the colour in its place, and the article that then fits."""
        plain = text.replace("{c}", f"{self.colour} " if self.colour else "")
        return plain.replace(" a orange", " an orange")

    @property
    def base(self) -> str:
        """ "open a red drawer"."""
        return self.filled(self.task.base)

    @property
    def thing(self) -> str:
        """What the arm reaches for, with its colour where it is the painted one."""
        return f"{self.colour} {self.task.thing}".strip() if self.task.noun == self.task.thing else self.task.thing


def third(base: str) -> str:
    """ "open a drawer" -> "opens a drawer"."""
    verb, space, rest = base.partition(" ")
    ending = "es" if verb.endswith(("ch", "sh", "ss", "x", "z")) else "s"
    verb = f"{verb[:-1]}ies" if verb.endswith("ry") else verb + ending
    return f"{verb}{space}{rest}"


def gerund(base: str) -> str:
    """ "close a drawer" -> "closing a drawer"."""
    verb, space, rest = base.partition(" ")
    if verb.endswith("e"):
        verb = verb[:-1]
    elif verb in ("put", "hit", "unplug"):
        verb += verb[-1]
    return f"{verb}ing{space}{rest}"


class Wording:
    """Draws the words for one attempt; deterministic in the random source."""

    def __init__(self, attempt: Attempt, rng: np.random.Generator) -> None:
        self.attempt = attempt
        self.rng = rng

    def any_of(self, texts: Sequence[str]) -> str:
        """One of the texts."""
        return texts[int(self.rng.integers(len(texts)))]

    def told(self, *, truth_first: bool) -> Told:
        """Everything that is said of the attempt."""
        attempt = self.attempt
        captions = self.captions()
        return Told(
            captions=captions,
            negatives=tuple(text for text in self.negatives() if text not in captions),
            questions=self.questions(truth_first=truth_first),
            label=gerund(attempt.task.base.replace("{c}", "")) if attempt.outcome == "done" else "",
        )

    def backwards(self) -> Told | None:
        """What the clip shows when it is played backwards, where words for the thing alone are known."""
        attempt = self.attempt
        opposite = TASKS.get(attempt.task.opposite)
        if attempt.outcome != "done" or opposite is None or not opposite.seen or not attempt.task.seen:
            return None
        seen, shown = attempt.filled(opposite.seen), attempt.filled(attempt.task.seen)
        return Told(captions=(seen, f"a video in which {seen}"), negatives=(shown,), label="")

    def captions(self) -> tuple[str, ...]:
        """Four to six wordings, the plainest first."""
        attempt = self.attempt
        pool = {
            "done": self._done,
            "half": self._half,
            "short": self._short,
            "beside": self._beside,
            "begun": self._begun,
        }[attempt.outcome]()
        chosen = [pool[1:][i] for i in self.rng.permutation(len(pool) - 1)]
        return unique([pool[0], *chosen])[: int(self.rng.integers(4, 7))]

    def _done(self) -> list[str]:
        attempt = self.attempt
        texts = [f"a robot arm {third(attempt.base)}"]
        for base in (attempt.task.base, *attempt.task.others):
            filled, plain = attempt.filled(base), base.replace("{c}", "")
            texts += [f"{self.any_of(_ARMS)} {third(filled)}", f"a robot is {gerund(plain)}", gerund(filled)]
            texts.append(f"a video of a robot arm {gerund(filled)}")
        if attempt.task.seen:
            texts.append(attempt.filled(attempt.task.seen))
        return [*texts, f"the robot arm manages to {attempt.base}"]

    def _half(self) -> list[str]:
        base = self.attempt.base
        return [
            f"a robot arm begins to {base} and stops before it is done",
            f"a robot starts {gerund(base)} but does not finish",
            f"the arm stops while {gerund(base)}",
            f"{gerund(base)}, broken off before the end",
            f"the robot arm does not manage to {base}, it stops too early",
        ]

    def _short(self) -> list[str]:
        base, thing = self.attempt.base, self.attempt.thing
        return [
            f"a robot arm reaches for {with_a(thing)} and stops, and the {self.attempt.task.thing} does not move",
            f"a robot wants to {base} but stops before it moves anything",
            f"the robot arm stops on its way to the {thing}",
            f"the arm does not {base}: it halts before the {self.attempt.task.thing} moves",
            f"the {thing} stays as it is; the robot arm stops too early",
        ]

    def _beside(self) -> list[str]:
        base, thing = self.attempt.base, self.attempt.thing
        return [
            f"a robot arm tries to {base} but the {self.attempt.task.thing} does not move",
            f"a robot fails to {base}",
            f"the robot arm reaches beside the {thing}",
            f"the arm works beside {with_a(thing)} and does not move it",
            f"the {thing} stays as it is although a robot arm tries to {base}",
        ]

    def _begun(self) -> list[str]:
        thing = self.attempt.thing
        return [
            f"a robot arm reaches for {with_a(thing)}",
            f"the robot arm moves towards {with_a(thing)}",
            f"a robot is about to touch {with_a(thing)}",
            f"the hand of a robot comes near the {thing}",
            f"a video of a robot arm reaching for {with_a(thing)}",
        ]

    def negatives(self) -> tuple[str, ...]:
        """The plainest caption with the opposite deed, another colour, another thing or another end."""
        attempt, plain = self.attempt, self._plain(self.attempt)
        wrong: list[str] = []
        opposite = TASKS.get(attempt.task.opposite)
        if opposite is not None and attempt.outcome != "begun":
            wrong.append(self._plain(Attempt(task=opposite, colour=attempt.colour, outcome=attempt.outcome)))
        if attempt.outcome == "done":
            wrong.append(f"a robot arm fails to {attempt.base}")
        if attempt.colour and attempt.colour in plain:
            colour = self.any_of([name for name in COLOURS if name != attempt.colour])
            wrong.append(self._plain(Attempt(task=attempt.task, colour=colour, outcome=attempt.outcome)))
        if attempt.task.thing and attempt.task.thing in plain:
            wrong.append(plain.replace(attempt.task.thing, self.absent()))
        return unique([text for text in wrong if text != plain])

    def _plain(self, attempt: Attempt) -> str:
        wording = Wording(attempt, np.random.default_rng(0))
        texts = {
            "done": wording._done,
            "half": wording._half,
            "short": wording._short,
            "beside": wording._beside,
            "begun": wording._begun,
        }
        return texts[attempt.outcome]()[0]

    def absent(self) -> str:
        """A thing that is not in the scene, each as often as it is in one."""
        told = " ".join((self.attempt.task.base, *self.attempt.task.others, self.attempt.task.thing)).replace("{c}", "")
        shares = _SHARES * np.array([re.search(rf"\b{noun}\b", told) is None for noun in _NOUNS])
        return str(self.rng.choice(_NOUNS, p=shares / shares.sum()))

    def questions(self, *, truth_first: bool) -> tuple[Question, ...]:
        """What it does, which of two opposites, what colour, whether it works out, what comes next, what is there."""
        attempt = self.attempt
        asked = [*self._there(truth_first)]
        if attempt.outcome == "done":
            asked.append(self._choice(_TASK_QUERIES, self._strangers(_NUM_TASKS - 1), kind="task"))
            if attempt.task.opposite:
                asked.append(self._choice(_PAIR_QUERIES, [TASKS[attempt.task.opposite]], kind="pair"))
        if attempt.outcome == "begun":
            opposite = [TASKS[attempt.task.opposite]] if attempt.task.opposite else []
            others = [*opposite, *self._strangers(_NUM_NEXT - 1 - len(opposite))]
            asked.append(self._choice(_NEXT_QUERIES, others, kind="next"))
        if attempt.colour:
            query = self.any_of(("what colour is the {}?", "which colour does the {} have?")).format(attempt.task.noun)
            asked.append(Question(query=query, answer=attempt.colour, candidates=tuple(COLOURS), kind="colour"))
        # Two thirds of the attempts that were played to their end succeed: asked of fewer, so that blind is one half.
        if attempt.outcome not in ("done", "begun") or (attempt.outcome == "done" and self.rng.random() < 0.45):
            answer = "yes" if attempt.outcome == "done" else "no"
            asked.append(
                Question(query=self.any_of(_ENDS_QUERIES), answer=answer, candidates=("yes", "no"), kind="success")
            )
        return tuple(asked)

    def _strangers(self, number: int) -> list[Task]:
        """Tasks that show other things."""
        own = self.attempt.task
        far = [task for task in TASKS.values() if task.thing != own.thing and task.name != own.opposite]
        return [far[i] for i in self.rng.permutation(len(far))[:number]]

    def _choice(self, queries: Sequence[str], others: Sequence[Task], *, kind: str) -> Question:
        answer, *wrong = (third(task.base.replace("{c}", "")) for task in (self.attempt.task, *others))
        return Question(
            query=self.any_of(queries), answer=answer, candidates=tuple(sorted({answer, *wrong})), kind=kind
        )

    def _there(self, truth_first: bool) -> list[Question]:
        """Two questions of what is there, with opposite answers, where its thing is one that others can lack."""
        asked: list[Question] = []
        for truth in (truth_first, not truth_first) if self.attempt.task.noun in _NOUNS else ():
            noun = self.attempt.task.noun if truth else self.absent()
            query = self.any_of(("is there {}?", "can {} be seen?", "does the clip show {}?")).format(with_a(noun))
            answer = "yes" if truth else "no"
            asked.append(Question(query=query, answer=answer, candidates=("yes", "no"), kind="yesno"))
        return asked
