"""What can be said of people who move: captions, captions that are wrong by a phrase, questions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vljepa.data.corpora.people_actions import ACTIONS, Action
from vljepa.data.corpora.physics_cast import OPPOSITE_WAY
from vljepa.data.corpora.physics_stage import COLOURS
from vljepa.data.corpora.physics_words import with_a
from vljepa.types import Question, Told, unique

WAYS = ("left", "right", "towards the camera", "away from the camera")
TIMES = ("once", "twice", "three times")
_NUMBERS = ("one", "two", "three")
_NUM_ACTIONS = 8
_DO_QUERIES = ("what does the person do?", "which action is shown?", "what is the person doing?")
_WAY_QUERIES = ("which way does the person go?", "in which direction does the person move?")
_FIRST_QUERIES = ("what does the person do first?", "what happened first?")
_SECOND_QUERIES = ("what does the person do last?", "what does the person do after that?")
_SPEEDS = ("slowly", "quickly")
# Recordings of which one could pass for the other: neither is asked for, or said falsely, of the other.
_ALIKE = (
    {"dance_a", "dance_b"},
    {"kick", "spinkick", "spin"},
    {"jump", "backflip", "spin", "spinkick"},
    {"walk", "run"},
)


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who does what: one action, or two one after the other; `way` is where it goes as the camera sees it."""

    actions: tuple[Action, ...]
    shirt: str
    trousers: str
    way: str
    times: int = 1
    speed: str = ""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One person, or two side by side (the first on the left); `counted`: how often is what it is about."""

    people: tuple[Person, ...]
    counted: bool = False

    def backwards(self) -> "Scenario | None":
        """What the clip shows when it is played backwards, where words for that are known."""
        people = []
        for person in self.people:
            turned = tuple(ACTIONS.get(action.reversed_as) for action in person.actions)
            if len(turned) != 1 or turned[0] is None:
                return None
            way = OPPOSITE_WAY.get(person.way, person.way)
            people.append(replace(person, actions=(turned[0],), way=way))
        return replace(self, people=tuple(people))


class Wording:
    """Draws the words for one scenario; deterministic in the random source."""

    def __init__(self, scenario: Scenario, rng: np.random.Generator) -> None:
        self.scenario = scenario
        self.person = scenario.people[0]
        self.rng = rng

    def any_of(self, texts: Sequence[str]) -> str:
        """One of the texts."""
        return texts[int(self.rng.integers(len(texts)))]

    def told(self, *, truth_first: bool) -> Told:
        """Everything that is said of the scenario."""
        captions = self.captions()
        single = len(self.scenario.people) == 1 and len(self.person.actions) == 1
        return Told(
            captions=captions,
            negatives=tuple(text for text in self.negatives() if text not in captions),
            questions=self.questions(truth_first=truth_first),
            label=self.person.actions[0].gerund if single and self.person.times == 1 else "",
        )

    def captions(self) -> tuple[str, ...]:
        """Four to six wordings, the plainest first."""
        pool = [plain(self.scenario), *self._varied()]
        chosen = [pool[1:][i] for i in self.rng.permutation(len(pool) - 1)]
        texts = [text.replace(" a orange", " an orange") for text in (pool[0], *chosen)]
        return unique(texts)[: int(self.rng.integers(4, 7))]

    def _varied(self) -> list[str]:
        if len(self.scenario.people) == 2:
            return self._of_two()
        if len(self.person.actions) == 2:
            return self._of_order()
        return self._of_one()

    def _of_two(self) -> list[str]:
        left, right = self.scenario.people
        first, second = left.actions[0], right.actions[0]
        return [
            f"two people: one {first.third}, the other {second.third}",
            f"the person on the left {first.third} and the one on the right {second.third}",
            f"a person with a {right.shirt} shirt {second.third} beside one who {first.third}",
            f"the one in {left.shirt} is {first.gerund}, the one in {right.shirt} is {second.gerund}",
            f"one person is {second.gerund} and another one is {first.gerund}",
        ]

    def _of_order(self) -> list[str]:
        first, second = self.person.actions
        return [
            f"first a person {first.third}, after that the person {second.third}",
            f"a person {second.third} after {first.gerund}",
            f"somebody {self.any_of((first.third, *first.others))} and then {second.third}",
            f"{first.gerund}, then {second.gerund}",
            f"a person in a {self.person.shirt} shirt {first.third} before {second.gerund}",
        ]

    def _of_one(self) -> list[str]:
        person, action = self.person, self.person.actions[0]
        if self.scenario.counted:
            return [
                f"the person {action.third} {TIMES[person.times - 1]}",
                f"{action.gerund} {TIMES[person.times - 1]}",
                f"somebody in {person.trousers} trousers {action.third} {TIMES[person.times - 1]}",
                f"a person in a {person.shirt} shirt {action.third} {TIMES[person.times - 1]}",
                f"a video of {action.gerund}, done {TIMES[person.times - 1]}",
            ]
        where = _where(person)
        texts = [
            f"a person is {action.gerund}{where}",
            f"somebody in a {person.shirt} shirt {action.third}{where}",
            f"a person with {person.trousers} trousers is {action.gerund}",
            f"{action.gerund}{where}",
            f"a video of a person {action.gerund}",
            *(f"{self.any_of(('a person', 'somebody', 'a human figure'))} {other}" for other in action.others),
        ]
        if person.speed:
            texts.append(f"a person {action.third} {person.speed}")
        return texts

    def negatives(self) -> tuple[str, ...]:
        """The plainest caption with another action, the other order, another number, way or colour."""
        scenario, person = self.scenario, self.person
        wrong: list[Scenario] = []
        if len(scenario.people) == 2:
            left, right = scenario.people
            wrong.append(
                replace(scenario, people=(replace(left, actions=right.actions), replace(right, actions=left.actions)))
            )
        elif len(person.actions) == 2:
            wrong.append(replace(scenario, people=(replace(person, actions=person.actions[::-1]),)))
        else:
            wrong += self._wrong_one()
        stranger = replace(person, actions=(*person.actions[:-1], self.strangers(1)[0]), times=1)
        if not scenario.counted:
            wrong.append(replace(scenario, people=(stranger, *scenario.people[1:])))
        used = {colour for one in scenario.people for colour in (one.shirt, one.trousers)}
        colour = self.any_of([name for name in COLOURS if name not in used])
        wrong.append(replace(scenario, people=(replace(person, shirt=colour), *scenario.people[1:])))
        return tuple(text for text in unique([plain(one) for one in wrong]) if text != plain(scenario))

    def _wrong_one(self) -> list[Scenario]:
        scenario, person = self.scenario, self.person
        wrong = []
        turned = ACTIONS.get(person.actions[0].reversed_as)
        if turned is not None:
            wrong.append(replace(scenario, people=(replace(person, actions=(turned,)),)))
        if scenario.counted:
            others = [times for times in (1, 2, 3) if times != person.times]
            wrong.append(replace(scenario, people=(replace(person, times=int(self.rng.choice(others))),)))
        elif _where(person):
            wrong.append(replace(scenario, people=(replace(person, way=OPPOSITE_WAY[person.way]),)))
        return wrong

    def strangers(self, number: int) -> list[Action]:
        """Actions that nobody in the scene does, and that do not pass for one that is done."""
        files = {action.file for person in self.scenario.people for action in person.actions}
        near = files.union(*(alike for alike in _ALIKE if alike & files))
        far = [action for action in ACTIONS.values() if action.file not in near]
        return [far[i] for i in self.rng.permutation(len(far))[:number]]

    def questions(self, *, truth_first: bool) -> tuple[Question, ...]:
        """What is done, by whom, which way, how often, in which order, in what colours, and whether."""
        scenario, person = self.scenario, self.person
        asked = [*self._whether(truth_first)]
        if len(scenario.people) == 2:
            asked += self._about_two()
        elif len(person.actions) == 2:
            asked += self._about_order()
        else:
            asked += self._about_one()
        garment = self.any_of(("shirt", "trousers"))
        if len(scenario.people) == 1:
            colour = person.shirt if garment == "shirt" else person.trousers
            query = f"what colour {'is' if garment == 'shirt' else 'are'} the person's {garment}?"
            asked.append(Question(query=query, answer=colour, candidates=tuple(COLOURS), kind="colour"))
        asked.append(
            Question(
                query=self.any_of(("how many people are there?", "how many persons can be seen?")),
                answer=_NUMBERS[len(scenario.people) - 1],
                candidates=_NUMBERS[:2],
                kind="people",
            )
        )
        return tuple(asked)

    def _choice(self, query: str, answer: Action, others: Sequence[Action], *, kind: str) -> Question:
        candidates = tuple(sorted({action.third for action in (answer, *others)}))
        return Question(query=query, answer=answer.third, candidates=candidates, kind=kind)

    def _about_one(self) -> list[Question]:
        person, action = self.person, self.person.actions[0]
        asked = [self._choice(self.any_of(_DO_QUERIES), action, self.strangers(_NUM_ACTIONS - 1), kind="action")]
        turned = ACTIONS.get(action.reversed_as)
        if turned is not None:
            query = self.any_of(("which of the two does the person do?", "is it this or the opposite?"))
            asked.append(self._choice(query, action, [turned], kind="pair"))
        if self.scenario.counted:
            query = f"how often does the person {action.base}?"
            asked.append(Question(query=query, answer=TIMES[person.times - 1], candidates=TIMES, kind="times"))
        if _where(person):
            asked.append(
                Question(query=self.any_of(_WAY_QUERIES), answer=person.way, candidates=WAYS, kind="direction")
            )
        if person.speed:
            query = f"does the person {action.base} slowly or quickly?"
            asked.append(Question(query=query, answer=person.speed, candidates=_SPEEDS, kind="speed"))
        return asked

    def _about_two(self) -> list[Question]:
        asked = []
        left, right = self.scenario.people
        others = self.strangers(2)
        one, other = (left, right) if self.rng.random() < 0.5 else (right, left)
        query = f"what does the person in the {one.shirt} shirt do?"
        asked.append(self._choice(query, one.actions[0], [other.actions[0], *others], kind="who"))
        side = "left" if one is left else "right"
        query = f"what does the person on the {side} do?"
        asked.append(self._choice(query, one.actions[0], [other.actions[0], *others], kind="who"))
        return asked

    def _about_order(self) -> list[Question]:
        first, second = self.person.actions
        others = self.strangers(2)
        return [
            self._choice(self.any_of(_FIRST_QUERIES), first, [second, *others], kind="order"),
            self._choice(self.any_of(_SECOND_QUERIES), second, [first, *others], kind="order"),
        ]

    def _whether(self, truth_first: bool) -> list[Question]:
        """Two questions of what is done, with opposite answers."""
        asked = []
        for truth in (truth_first, not truth_first):
            action = self.person.actions[0] if truth else self.strangers(1)[0]
            who = "somebody" if len(self.scenario.people) == 2 else "the person"
            answer = "yes" if truth else "no"
            asked.append(
                Question(query=f"does {who} {action.base}?", answer=answer, candidates=("yes", "no"), kind="yesno")
            )
        return asked


def _where(person: Person) -> str:
    """The way as a phrase, where the person goes one and words for it exist."""
    if not person.actions[0].travels or person.way not in WAYS or person.times > 1:
        return ""
    return f" to the {person.way}" if person.way in WAYS[:2] else f" {person.way}"


def plain(scenario: Scenario) -> str:
    """The plainest caption."""
    person, action = scenario.people[0], scenario.people[0].actions[0]
    who = f"a person in {with_a(person.shirt)} shirt"
    if len(scenario.people) == 2:
        other = scenario.people[1]
        return f"{who} {action.third} and a person in {with_a(other.shirt)} shirt {other.actions[0].third}"
    if len(person.actions) == 2:
        return f"{who} {action.third} and then {person.actions[1].third}"
    if scenario.counted:
        return f"{who} {_many(action, person.times)}"
    return f"{who} {action.third}{_where(person)}"


def _many(action: Action, times: int) -> str:
    if "{n} " in action.many:
        return action.third if times == 1 else action.many.format(n=_NUMBERS[times - 1])
    return action.many.format(n=TIMES[times - 1])
