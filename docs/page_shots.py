"""Takes the pictures of docs/serve.md and the README: a real library, in a real browser, with the shipped model.

`python docs/page_shots.py CLIPS` indexes a folder of videos beside the shipped stream, and writes docs/page-*.png.
Needs Chromium and its driver, and what `tests/` needs.
"""

import sys
import tempfile
import time
from importlib import resources
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.journeys.browser import Browser, browser  # noqa: E402
from tests.serving.services import running  # noqa: E402

from vljepa.embedder import Embedder  # noqa: E402
from vljepa.library import IndexSettings, Library  # noqa: E402

MOST_BYTES = 390_000
STREAM = Path(str(resources.files("vljepa"))) / "shipped" / "stream.mp4"


def shot(page: Browser, name: str) -> None:
    """Save what is seen; with fewer colours where all of them would take too much room."""
    path = ROOT / "docs" / f"page-{name}.png"
    page.driver.save_screenshot(str(path))
    picture = Image.open(path).convert("RGB")
    picture.save(path, optimize=True)
    if path.stat().st_size > MOST_BYTES:
        picture.quantize(256, method=Image.Quantize.FASTOCTREE).save(path, optimize=True)
    print(path, path.stat().st_size >> 10, "kB")


def play_to(page: Browser, second: float) -> None:
    """Let the video run to a second, so that what it shows is said."""
    page.run("document.querySelector('video').play()")
    page.wait(lambda: page.run("return document.querySelector('video').currentTime") > second)
    page.run("document.querySelector('video').pause()")


def pictures(page: Browser, address: str, film: int) -> None:
    """The views in turn."""
    page.open(f"{address}/")
    page.wait(lambda: len(page.all(".still img[src]")) > 5)
    page.find("input[type=search]").send_keys("a small red sphere bounces\n")
    page.wait(lambda: page.all(".hits .card"))
    time.sleep(1)
    shot(page, "search")
    page.open(f"{address}/#/play/{film}")
    page.wait(lambda: page.all(".band .segment"))
    play_to(page, 21)
    page.find("#ask").send_keys("what colour is the ball?")
    page.find("#answers").send_keys("red, green, blue, yellow")
    page.find(".ask .button").click()
    page.wait(lambda: page.all(".answer .bar-row"))
    time.sleep(1)
    shot(page, "player")
    page.dark(True)
    page.open(f"{address}/#/live")
    page.wait(lambda: page.all(".start"))
    page.find("#triggers").send_keys("a red ball")
    page.find(".start .button").click()
    page.wait(lambda: len(page.all(".lines li")) > 6)
    shot(page, "live")


def main() -> None:
    """Index, serve, look."""
    embedder = Embedder.from_folder(device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "library"
        with Library.open(library, embedder, create=True) as made:
            made.add(
                [Path(name) for name in [*sys.argv[1:], STREAM]],
                settings=IndexSettings(captions=True, keep_windows=True),
            )
        with running(embedder, library=library, sources={"door": str(STREAM)}) as served:
            film = next(one["id"] for one in served.client.get("/v1/media").json()["media"] if "stream" in one["path"])
            with browser(Path(folder) / "profile") as page:
                page.size(1280, 985)
                pictures(page, served.address, film)


if __name__ == "__main__":
    main()
