"""Archives are read as they are; damaged ones are named."""

from pathlib import Path

import pytest
from tests.data.made_archives import make_deb, make_tgz, make_wheel, rcc_bytes

from vljepa.data.archives import open_zip_member, read_deb, read_tgz, zip_members
from vljepa.data.corpora.qt_resource import read_rcc
from vljepa.data.packages import PackageError

FILES = {"usr/share/a/one.txt": b"1", "usr/share/b/two.png": b"22", "usr/share/b/odd.png": b"333"}


def test_deb_gives_the_files_that_match_without_leading_dot(tmp_path: Path) -> None:
    package = make_deb(tmp_path / "made.deb", FILES)
    assert dict(read_deb(package)) == FILES
    pictures = [name for name, _ in read_deb(package, "usr/share/b/*.png")]
    assert pictures == ["usr/share/b/two.png", "usr/share/b/odd.png"]


def test_deb_packed_with_zstd_is_refused_in_words(tmp_path: Path) -> None:
    package = make_deb(tmp_path / "made.deb", FILES, data_name="data.tar.zst")
    with pytest.raises(PackageError, match="zstd"):
        list(read_deb(package))


def test_truncated_deb_is_named(tmp_path: Path) -> None:
    package = make_deb(tmp_path / "made.deb", {"usr/share/a": bytes(range(256)) * 64})
    package.write_bytes(package.read_bytes()[:-100])
    with pytest.raises(PackageError, match=r"made\.deb is damaged"):
        list(read_deb(package))


def test_what_is_no_deb_is_named(tmp_path: Path) -> None:
    (tmp_path / "no.deb").write_bytes(b"<html>404</html>")
    with pytest.raises(PackageError, match=r"no\.deb is not a Debian package"):
        list(read_deb(tmp_path / "no.deb"))


def test_tgz_and_its_truncation(tmp_path: Path) -> None:
    package = make_tgz(tmp_path / "made.tgz", {"package/a.webp": b"a" * 5000, "package/b.json": b"{}"})
    assert list(read_tgz(package, "*.json")) == [("package/b.json", b"{}")]
    package.write_bytes(package.read_bytes()[:40])
    with pytest.raises(PackageError, match=r"made\.tgz cannot be read"):
        list(read_tgz(package))


def test_wheel_member_and_missing_member(tmp_path: Path) -> None:
    package = make_wheel(tmp_path / "made.whl", {"made/model.bin": b"model", "made/x.py": b"raise SystemExit"})
    with open_zip_member(package, "made/model.bin") as stream:
        assert stream.read() == b"model"
    assert zip_members(package, "*.bin") == ["made/model.bin"]
    with pytest.raises(PackageError, match="holds no file"), open_zip_member(package, "made/other.bin"):
        pass
    (tmp_path / "bad.whl").write_bytes(b"PK no")
    with pytest.raises(PackageError, match=r"bad\.whl cannot be read"), open_zip_member(tmp_path / "bad.whl", "x"):
        pass


@pytest.mark.parametrize("compress", [False, True])
def test_rcc_gives_paths_and_contents(compress: bool) -> None:
    files = {"/gcompris/src/a/dog.webp": b"dog" * 50, "/gcompris/src/cat.webp": b"cat", "/top.txt": b"t"}
    assert dict(read_rcc(rcc_bytes(files, compress=compress), name="made.rcc")) == files


@pytest.mark.parametrize("damaged", [b"nothing", rcc_bytes({"/a/b.webp": b"x" * 99})[:60], b"qres" + b"\xff" * 16])
def test_damaged_rcc_is_named(damaged: bytes) -> None:
    with pytest.raises(PackageError, match=r"made\.rcc"):
        list(read_rcc(damaged, name="made.rcc"))
