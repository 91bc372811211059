"""What the motion-captured person does, in words; written after looking at all 15 recordings."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Action:
    """An action: `file` names its recording, `third`, `base` and `gerund` are forms of the same words.

    `many`: how it is said of several times ("{n} backflips"), empty where it cannot be counted. `travels`: the person
    goes somewhere, so a way can be told. `loops`: it goes on as long as one looks. `chains`: begins and ends standing.
    `reversed_as` names the action that its recording shows when it is played backwards, where words for that exist.
    """

    file: str
    base: str
    third: str
    gerund: str
    others: tuple[str, ...] = ()
    many: str = ""
    travels: bool = False
    loops: bool = False
    chains: bool = False
    reversed_as: str = ""
    is_reversed: bool = False


_RECORDED = (
    Action(
        file="walk",
        base="walk",
        third="walks",
        gerund="walking",
        others=("goes for a walk", "takes some steps"),
        travels=True,
        loops=True,
        chains=True,
        reversed_as="walk backwards",
    ),
    Action(
        file="run",
        base="run",
        third="runs",
        gerund="running",
        others=("sprints", "runs fast"),
        travels=True,
        loops=True,
        reversed_as="run backwards",
    ),
    Action(
        file="crawl",
        base="crawl",
        third="crawls",
        gerund="crawling",
        others=("creeps over the floor", "moves along on hands and knees"),
        travels=True,
        loops=True,
        reversed_as="crawl backwards",
    ),
    Action(
        file="jump",
        base="jump",
        third="jumps",
        gerund="jumping",
        others=("leaps forward", "takes a jump"),
        many="jumps {n}",
        travels=True,
        chains=True,
        reversed_as="jump backwards",
    ),
    Action(
        file="backflip",
        base="do a backflip",
        third="does a backflip",
        gerund="doing a backflip",
        others=("flips over backwards in the air", "turns a somersault backwards"),
        many="does {n} backflips",
        chains=True,
        reversed_as="do a front flip",
    ),
    Action(
        file="cartwheel",
        base="turn a cartwheel",
        third="turns a cartwheel",
        gerund="turning a cartwheel",
        others=("does a cartwheel", "goes over sideways on the hands"),
        many="turns {n} cartwheels",
        chains=True,
    ),
    Action(
        file="roll",
        base="do a forward roll",
        third="does a forward roll",
        gerund="doing a forward roll",
        others=("rolls over the floor", "rolls forward and stands up again"),
        many="does {n} forward rolls",
        chains=True,
        reversed_as="do a backward roll",
    ),
    Action(
        file="kick",
        base="kick",
        third="kicks",
        gerund="kicking",
        others=("kicks with a leg", "gives a kick"),
        chains=True,
    ),
    Action(
        file="punch",
        base="punch",
        third="punches",
        gerund="punching",
        others=("throws a punch", "strikes with a fist"),
        chains=True,
    ),
    Action(
        file="spinkick",
        base="do a spinning kick",
        third="does a spinning kick",
        gerund="doing a spinning kick",
        others=("turns around and kicks in the air", "kicks while turning"),
        many="does {n} spinning kicks",
    ),
    Action(
        file="spin",
        base="whirl through the air",
        third="whirls through the air",
        gerund="whirling through the air",
        others=("jumps and spins", "spins in the air"),
    ),
    Action(
        file="dance_a",
        base="dance with steps to the side",
        third="dances with steps to the side",
        gerund="dancing with steps to the side",
        others=("dances", "dances and bends down"),
    ),
    Action(
        file="dance_b",
        base="dance on the spot",
        third="dances on the spot",
        gerund="dancing on the spot",
        others=("dances", "dances with swinging arms"),
        loops=True,
    ),
    Action(
        file="getup_facedown",
        base="get up from the belly",
        third="gets up from the belly",
        gerund="getting up from the belly",
        others=("lies face down and stands up", "stands up from lying face down"),
        reversed_as="lie down on the belly",
    ),
    Action(
        file="getup_faceup",
        base="get up from the back",
        third="gets up from the back",
        gerund="getting up from the back",
        others=("lies face up and stands up", "stands up from lying on the back"),
        reversed_as="lie down on the back",
    ),
)


def _reversed(base: str, third: str, gerund: str, *others: str, many: str = "") -> Action:
    forward = next(action for action in _RECORDED if action.reversed_as == base)
    return Action(
        file=forward.file,
        base=base,
        third=third,
        gerund=gerund,
        others=others,
        many=many if forward.many else "",
        travels=forward.travels,
        loops=forward.loops,
        reversed_as=forward.base,
        is_reversed=True,
    )


_BACKWARDS = (
    _reversed("walk backwards", "walks backwards", "walking backwards", "takes steps backwards"),
    _reversed("run backwards", "runs backwards", "running backwards", "runs with the back first"),
    _reversed("crawl backwards", "crawls backwards", "crawling backwards", "creeps backwards over the floor"),
    _reversed("jump backwards", "jumps backwards", "jumping backwards", "leaps backwards", many="jumps backwards {n}"),
    _reversed(
        "do a front flip",
        "does a front flip",
        "doing a front flip",
        "flips over forwards in the air",
        many="does {n} front flips",
    ),
    _reversed(
        "do a backward roll",
        "does a backward roll",
        "doing a backward roll",
        "rolls over backwards",
        many="does {n} backward rolls",
    ),
    _reversed(
        "lie down on the belly", "lies down on the belly", "lying down on the belly", "goes down to lie face down"
    ),
    _reversed("lie down on the back", "lies down on the back", "lying down on the back", "goes down to lie face up"),
)
ACTIONS: dict[str, Action] = {action.base: action for action in (*_RECORDED, *_BACKWARDS)}
RECORDED = tuple(action.base for action in _RECORDED)
BACKWARDS = tuple(action.base for action in _BACKWARDS)
