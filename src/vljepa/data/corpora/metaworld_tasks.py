"""Tasks of Meta-World in words, written after looking at rollouts of all 50: what slides as a plate is a puck.

Two are left out, stick-push and stick-pull: their bottle slides to its end by itself, whatever the arm does.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task: `base` follows "does the robot arm", `{c}` in it stands for the colour of its `thing`.

    `others` are further wordings of `base`. `thing` is what the arm reaches for first and what can be coloured, by the
    names of bodies, shapes or materials in `painted`. `opposite` names the task that undoes it and looks alike in one
    picture. `seen` is what happens to the thing, whoever does it, which holds of the opposite's clip played backwards.
    `hand`: only the arm itself has to get somewhere. `marker`: the place to get to is shown as a ball.
    """

    name: str
    base: str
    thing: str
    others: tuple[str, ...] = ()
    painted: tuple[str, ...] = ()
    opposite: str = ""
    seen: str = ""
    hand: bool = False
    marker: bool = False

    @property
    def noun(self) -> str:
        """What is painted, "" where nothing is."""
        words = self.base.partition("{c}")[2].split()
        return " ".join(words[: 2 if words[0] == "coffee" else 1]) if words else ""


def _task(
    name: str, base: str, thing: str, *others: str, painted: str = "", opposite: str = "", seen: str = ""
) -> Task:
    return Task(
        name=f"{name}-v3",
        base=base,
        thing=thing,
        others=others,
        painted=tuple(painted.split()),
        opposite=f"{opposite}-v3" if opposite else "",
        seen=seen,
    )


def _marked(name: str, base: str, *others: str, hand: bool = False) -> Task:
    """A task whose place to get to is a ball in the air or on the table."""
    return Task(
        name=f"{name}-v3",
        base=base,
        thing="" if hand else "block",
        others=others,
        painted=() if hand else ("objGeom",),
        hand=hand,
        marker=True,
    )


_ALL = (
    _task(
        "assembly",
        "put a {c}ring onto a peg",
        "ring",
        "place a {c}ring over a peg",
        opposite="disassemble",
        seen="the {c}ring comes down on the peg",
        painted="asmbly_peg",
    ),
    _task("basketball", "put a {c}ball into a hoop", "ball", "dunk a {c}ball", painted="bskt_orange"),
    _task(
        "bin-picking",
        "move a {c}block into another bin",
        "block",
        "take a {c}block out of one bin and put it into another",
        painted="obj_green",
    ),
    _task("box-close", "put a {c}lid on a box", "lid", "close a box with its {c}lid", painted="top_link"),
    _task("button-press-topdown", "press a {c}button from above", "button", "push a {c}button down", painted="btn_red"),
    _task(
        "button-press-topdown-wall",
        "press a {c}button from above, next to a wall",
        "button",
        "push a {c}button down beside a small wall",
        painted="btn_red",
    ),
    _task("button-press", "press a {c}button from the front", "button", "push a {c}button in", painted="btn_red"),
    _task(
        "button-press-wall",
        "press a {c}button from the front, past a wall",
        "button",
        "reach past a small wall and push a {c}button in",
        painted="btn_red",
    ),
    _task(
        "coffee-button",
        "press the button of a {c}coffee machine",
        "coffee machine",
        "switch on a {c}coffee machine",
        painted="cmred",
    ),
    _task(
        "coffee-pull",
        "pull a mug away from a {c}coffee machine",
        "mug",
        "take a mug from a {c}coffee machine",
        painted="cmred",
        opposite="coffee-push",
        seen="the mug moves away from the {c}coffee machine",
    ),
    _task(
        "coffee-push",
        "push a mug towards a {c}coffee machine",
        "mug",
        "bring a mug to a {c}coffee machine",
        painted="cmred",
        opposite="coffee-pull",
        seen="the mug comes near the {c}coffee machine",
    ),
    _task("dial-turn", "turn a {c}dial", "dial", "rotate a {c}dial", painted="dial_metal"),
    _task(
        "disassemble",
        "lift a {c}ring off a peg",
        "ring",
        "take a {c}ring from a peg",
        opposite="assembly",
        seen="the {c}ring comes off the peg",
        painted="asmbly_peg",
    ),
    _task(
        "door-close",
        "close a {c}door",
        "door",
        "push a {c}door shut",
        painted="dl_metal2",
        opposite="door-open",
        seen="the {c}door closes",
    ),
    _task(
        "door-lock",
        "lock a {c}door",
        "lock",
        "turn the lock of a {c}door until it is locked",
        painted="dl_metal2",
        opposite="door-unlock",
    ),
    _task(
        "door-open",
        "open a {c}door",
        "door",
        "pull a {c}door open",
        painted="dl_metal2",
        opposite="door-close",
        seen="the {c}door opens",
    ),
    _task(
        "door-unlock",
        "unlock a {c}door",
        "lock",
        "turn the lock of a {c}door until it is unlocked",
        painted="dl_metal2",
        opposite="door-lock",
    ),
    _task(
        "drawer-close",
        "close a {c}drawer",
        "drawer",
        "push a {c}drawer shut",
        painted="drawer_beige",
        opposite="drawer-open",
        seen="the {c}drawer closes",
    ),
    _task(
        "drawer-open",
        "open a {c}drawer",
        "drawer",
        "pull a {c}drawer open",
        painted="drawer_beige",
        opposite="drawer-close",
        seen="the {c}drawer opens",
    ),
    _task(
        "faucet-close",
        "close a {c}faucet",
        "faucet",
        "turn a {c}faucet off",
        painted="faucet_red",
        opposite="faucet-open",
    ),
    _task(
        "faucet-open",
        "open a {c}faucet",
        "faucet",
        "turn a {c}faucet on",
        painted="faucet_red",
        opposite="faucet-close",
    ),
    _task(
        "hammer",
        "hit a nail with a {c}hammer",
        "hammer",
        "hammer a nail into a block with a {c}hammer",
        painted="hmr_red",
    ),
    Task(
        name="hand-insert-v3",
        base="put its hand into a hole",
        thing="",
        hand=True,
        others=("lower its gripper into a hole in the table",),
    ),
    _task(
        "handle-press-side",
        "press a {c}handle down from the side",
        "handle",
        "push a {c}handle downwards from the side",
        painted="hdlprs_red",
        opposite="handle-pull-side",
        seen="the {c}handle goes down",
    ),
    _task(
        "handle-press",
        "press a {c}handle down",
        "handle",
        "push a {c}handle downwards",
        opposite="handle-pull",
        seen="the {c}handle goes down",
        painted="hdlprs_red",
    ),
    _task(
        "handle-pull-side",
        "pull a {c}handle up from the side",
        "handle",
        "lift a {c}handle from the side",
        painted="hdlprs_red",
        opposite="handle-press-side",
        seen="the {c}handle goes up",
    ),
    _task(
        "handle-pull",
        "pull a {c}handle up",
        "handle",
        "lift a {c}handle",
        opposite="handle-press",
        seen="the {c}handle goes up",
        painted="hdlprs_red",
    ),
    _task("lever-pull", "pull a {c}lever up", "lever", "turn a {c}lever upwards", painted="lever_link1"),
    _task(
        "peg-insert-side", "put a {c}peg into a hole", "peg", "insert a {c}peg into the side of a box", painted="peg"
    ),
    _task("peg-unplug-side", "pull a {c}plug out of a wall", "plug", "unplug a {c}plug", painted="plug"),
    _task(
        "pick-out-of-hole",
        "lift a {c}block out of a hole",
        "block",
        "take a {c}block out of a hole in the table",
        painted="objGeom",
    ),
    _marked("pick-place", "carry a {c}block to a marker", "pick up a {c}block and bring it to a marker"),
    _marked(
        "pick-place-wall", "carry a {c}block over a wall to a marker", "lift a {c}block across a small wall to a marker"
    ),
    _task(
        "plate-slide-back-side",
        "slide a {c}puck sideways out of a goal",
        "puck",
        "pull a {c}puck to the side out of a goal",
        painted="puck_black",
        opposite="plate-slide-side",
        seen="the {c}puck slides out of the goal",
    ),
    _task(
        "plate-slide-back",
        "slide a {c}puck back out of a goal",
        "puck",
        "pull a {c}puck out of a goal, towards itself",
        painted="puck_black",
        opposite="plate-slide",
        seen="the {c}puck slides out of the goal",
    ),
    _task(
        "plate-slide-side",
        "slide a {c}puck sideways into a goal",
        "puck",
        "push a {c}puck to the side into a goal",
        painted="puck_black",
        opposite="plate-slide-back-side",
        seen="the {c}puck slides into the goal",
    ),
    _task(
        "plate-slide",
        "slide a {c}puck forward into a goal",
        "puck",
        "push a {c}puck into a goal, away from itself",
        painted="puck_black",
        opposite="plate-slide-back",
        seen="the {c}puck slides into the goal",
    ),
    _marked("push-back", "pull a {c}block back to a marker", "bring a {c}block back to a marker"),
    _marked("push", "push a {c}block to a marker", "shove a {c}block over the table to a marker"),
    _marked(
        "push-wall", "push a {c}block around a wall to a marker", "bring a {c}block around a small wall to a marker"
    ),
    _marked("reach", "reach for a marker", "move its hand to a marker", hand=True),
    _marked("reach-wall", "reach over a wall for a marker", "move its hand across a small wall to a marker", hand=True),
    _task("shelf-place", "put a {c}block on a shelf", "block", "place a {c}block onto a shelf", painted="objGeom"),
    _task("soccer", "push a ball into a goal", "ball", "score a goal with a ball"),
    _task(
        "sweep-into",
        "sweep a {c}block into a hole",
        "block",
        "push a {c}block over the table into a hole",
        painted="objGeom",
    ),
    _task(
        "sweep",
        "sweep a {c}block off the table",
        "block",
        "push a {c}block over the edge of the table",
        painted="block_wood",
    ),
    _task(
        "window-close",
        "close a {c}window",
        "window",
        "slide a {c}window shut",
        opposite="window-open",
        seen="the {c}window closes",
        painted="window_red",
    ),
    _task(
        "window-open",
        "open a {c}window",
        "window",
        "slide a {c}window open",
        opposite="window-close",
        seen="the {c}window opens",
        painted="window_red",
    ),
)
TASKS: dict[str, Task] = {task.name: task for task in _ALL}
