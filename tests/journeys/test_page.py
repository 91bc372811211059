"""The page in a real browser: found, played, re-cut, asked, watched live, and used without a mouse."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys
from tests.journeys.browser import Browser, browser
from tests.serving.services import Running, running

from vljepa.embedder import Embedder
from vljepa.library import IndexSettings, Library


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        opened.size(1280, 900)
        yield opened


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, tiny_embedder: Embedder, video: Path, picture: Path
) -> Iterator[Running]:
    """A service with a library of a clip and a photograph, and with a source to watch."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "media").mkdir()
    (folder / "media" / "colours.mp4").write_bytes(video.read_bytes())
    (folder / "media" / "halves.jpg").write_bytes(picture.read_bytes())
    embedder = Embedder(tiny_embedder.bundle)
    with Library.open(folder / "library", embedder, create=True) as library:
        library.add([folder / "media"], settings=IndexSettings(rate=0.5, window=1.0, keep_windows=True))
    sources = {"door": str(folder / "media" / "colours.mp4")}
    with running(embedder, library=folder / "library", sources=sources) as service:
        yield service


def test_a_moment_is_found_played_cut_anew_and_asked_about(page: Browser, served: Running) -> None:
    page.open(f"{served.address}/")
    page.wait(lambda: len(page.all(".grid .card")) == 2)
    page.wait(lambda: page.all(".still img[src]"))
    page.find("input[type=search]").send_keys("a red ball", Keys.ENTER)
    page.wait(lambda: page.all(".hits .card"))
    assert "a red ball" in page.text(".verdict")
    next(card for card in page.all(".hits .card") if "colours" in card.text).click()
    page.wait(lambda: page.all(".band .segment"))
    assert "#/play/" in page.driver.current_url
    assert "t=" in page.driver.current_url

    page.wait(lambda: page.text(".now"))
    page.wait(lambda: page.run("return document.querySelector('video').duration") > 5)
    page.run("document.querySelector('video').currentTime = 0; return document.querySelector('video').play()")
    page.wait(lambda: page.run("return document.querySelector('video').currentTime") > 0.5)
    page.run("document.querySelector('video').pause()")

    asked = "return performance.getEntriesByType('resource').filter(one => one.name.endsWith('/timeline')).length"
    before = (len(page.all(".band .segment")), page.run(asked))
    page.run("const rate = document.getElementById('rate'); rate.value = 100; rate.dispatchEvent(new Event('input'));")
    cut = page.run("return document.querySelectorAll('.band .segment').length")
    assert cut > before[0]  # at once, from the tree that the page has
    assert page.run(asked) == before[1] == 1
    page.run("const rate = document.getElementById('rate'); rate.value = 0; rate.dispatchEvent(new Event('input'));")
    assert page.run("return document.querySelectorAll('.band .segment').length") == 1
    assert page.text(".tiles div:first-child span").strip() == "decoded, of 1"
    page.wait(lambda: page.text(".tiles b") == "1")

    page.find("#ask").send_keys("what colour is it?")
    page.find("#answers").send_keys("red, green, blue")
    page.find("#only").click()
    page.find(".ask .button").click()
    page.wait(lambda: len(page.all(".answer .bar-row")) == 4)
    assert {row.text.split("\n")[0] for row in page.all(".answer .bar-row")} == {
        "red",
        "green",
        "blue",
        "none of these",
    }
    assert page.complaints() == []


def test_the_timeline_and_the_search_work_with_keys_alone(page: Browser, served: Running) -> None:
    film = next(m["id"] for m in served.client.get("/v1/media").json()["media"] if m["kind"] == "video")
    page.open(f"{served.address}/#/play/{film}")
    head = page.wait(lambda: next(iter(page.all(".head[role=slider]")), None))
    page.wait(lambda: head.get_attribute("aria-valuenow"))
    page.run("arguments[0].focus()", head)
    head.send_keys(Keys.ARROW_RIGHT)
    head.send_keys(Keys.ARROW_RIGHT)
    page.wait(lambda: head.get_attribute("aria-valuenow") == "2")
    assert head.get_attribute("aria-valuetext") == "0:02"
    head.send_keys(Keys.END)
    page.wait(lambda: float(page.run("return document.querySelector('video').currentTime")) > 4)
    page.open(f"{served.address}/")
    page.wait(lambda: page.all(".grid .card"))
    page.find("body").send_keys("/")
    assert page.run("return document.activeElement.id") == "text"


def unlabelled(page: Browser) -> list[str]:
    """What somebody who listens could not name."""
    script = """
    const named = (one) => one.labels?.length || one.ariaLabel || one.textContent.trim() || one.title;
    return [...document.querySelectorAll('input:not([hidden]), button, select, a, [role=slider], video')]
      .filter((one) => !named(one)).map((one) => one.outerHTML.slice(0, 80))
      .concat([...document.querySelectorAll('img:not([alt])')].map((one) => one.outerHTML));
    """
    return list(page.run(script))


def test_everything_has_a_name_and_fits_narrow_and_dark(page: Browser, served: Running) -> None:
    film = next(m["id"] for m in served.client.get("/v1/media").json()["media"] if m["kind"] == "video")
    paper = set()
    for dark, width in ((False, 1280), (True, 390)):
        page.dark(dark)
        page.size(width, 844)
        for view, ready in (
            ("/", ".grid"),
            ("/open", ".drop"),
            ("/live", ".start"),
            (f"/play/{film}", ".band .segment"),
        ):
            page.open(f"{served.address}/#{view}")
            page.wait(lambda selector=ready: page.all(selector))
            assert unlabelled(page) == []
            assert page.run("return document.documentElement.scrollWidth") <= width
            assert page.all("nav a[aria-current]")
        paper.add(page.run("return getComputedStyle(document.body).backgroundColor"))
    page.dark(False)
    page.size(1280, 900)
    assert len(paper) == 2


def test_a_file_is_opened_without_a_library_and_a_bad_one_is_told(
    page: Browser, tiny_embedder: Embedder, picture: Path, video: Path, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.mp4"
    wrong.write_bytes(b"no video at all")
    with running(Embedder(tiny_embedder.bundle), token="a long word") as alone:
        page.open(f"{alone.address}/")
        page.wait(lambda: page.run("return document.getElementById('token').open"))
        page.find("#token-text").send_keys("wrong", Keys.ENTER)
        page.wait(lambda: page.text("#token-wrong"))
        page.find("#token-text").send_keys("a long word", Keys.ENTER)
        page.wait(lambda: "no library" in page.text("main"))
        page.find('nav a[href="#/open"]').click()
        page.find("#file").send_keys(str(wrong))
        page.wait(lambda: "not a video" in page.text("#notice"))
        page.find("#file").send_keys(str(video))
        page.wait(lambda: page.all(".band .segment"))
        page.wait(lambda: page.text(".now"))
        page.find('nav a[href="#/open"]').click()
        page.find("#file").send_keys(str(picture))
        page.wait(lambda: page.all("img.shown"))
        page.wait(lambda: page.text(".said") not in ("", "…"))
        page.driver.get_log("browser")  # the refusals above are among them


def test_a_stream_is_watched_live(page: Browser, served: Running) -> None:
    page.open(f"{served.address}/#/live")
    page.wait(lambda: page.all(".start"))
    assert page.find("#source").get_attribute("value") == "door"
    page.find("#triggers").send_keys("a red ball")
    page.find(".start .button").click()
    page.wait(lambda: page.text(".state") == "ended")
    assert page.all(".lines li")
    assert page.all(".curve svg")
    assert int(page.text(".tiles div:last-child b")) > 5
    assert 0 < int(page.text(".tiles b")) < int(page.text(".tiles div:last-child b"))
    page.wait(lambda: page.run("return document.querySelector('img.shown').naturalWidth") > 0)
    page.find(".button.quiet").click()
    page.wait(lambda: page.all(".start"))
    assert served.client.get("/v1/streams").json()["streams"] == []


def test_the_description_of_the_api_draws_itself(page: Browser, served: Running) -> None:
    page.open(f"{served.address}/docs")
    page.wait(lambda: len(page.all(".route")) > 15)
    assert "/v1/embeddings" in page.text("main")
    assert page.complaints() == []
