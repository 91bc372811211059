"""Other people's files: numbers are read, everything else is named and refused, and no code is ever run."""

import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vljepa.weights.convert import WeightsError
from vljepa.weights.foreign import read_checkpoint, read_tensors, tensors_in

TENSORS = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.ones(4, dtype=torch.bfloat16)}


class Payload:
    """Unpickled carelessly, it would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (touched, (str(self.path),))


def touched(path: str) -> None:
    Path(path).touch()


def same(found: dict[str, torch.Tensor]) -> bool:
    return found.keys() == TENSORS.keys() and all(
        torch.equal(found[key], value) and found[key].dtype == value.dtype for key, value in TENSORS.items()
    )


def test_numbers_come_back_as_they_were_written(tmp_path: Path):
    save_file(TENSORS, tmp_path / "model.safetensors")
    assert same(read_tensors(tmp_path / "model.safetensors"))
    assert same(read_tensors(tmp_path))
    torch.save({"encoder": TENSORS, "epoch": 3}, tmp_path / "new.pt")
    torch.save({"encoder": TENSORS, "epoch": 3}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    for name in ("new.pt", "old.pt"):
        assert same(tensors_in(read_checkpoint(tmp_path / name), name=name, under="encoder"))


@pytest.mark.parametrize("zipped", [True, False])
def test_code_is_refused_and_not_run(tmp_path: Path, zipped: bool):
    trace = tmp_path / "it ran"
    path = tmp_path / "model.pt"
    torch.save({"encoder": TENSORS, "x": Payload(trace)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"holds more than numbers .*touched.* code in it was not run"):
        read_checkpoint(path)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Payload(trace)))  # the payload is a real one
    assert trace.exists()


def test_a_bare_pickle_with_code_is_refused_too(tmp_path: Path):
    trace, path = tmp_path / "it ran", tmp_path / "model.bin"
    path.write_bytes(pickle.dumps(Payload(trace)))
    with pytest.raises(WeightsError, match=r"model\.bin"):
        read_checkpoint(path)
    assert not trace.exists()


BAD = {
    "page": (b"<!DOCTYPE html><html><body>Sign in</body></html>", "is a web page, not weights"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n", "git lfs pull"),
    "empty": (b"", "is empty"),
    "noise": (bytes(range(7, 250)), "is no"),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("reader", [read_tensors, read_checkpoint])
def test_what_is_no_weights_is_named(tmp_path: Path, kind: str, reader):
    content, message = BAD[kind]
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        reader(path)
    with pytest.raises(WeightsError, match="is missing"):
        reader(tmp_path / "nothing")


def test_what_is_cut_off_is_refused(tmp_path: Path):
    save_file(TENSORS, tmp_path / "model.safetensors")
    torch.save(TENSORS, tmp_path / "model.pt")
    for name, reader in (("model.safetensors", read_tensors), ("model.pt", read_checkpoint)):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) - 40])
        with pytest.raises(WeightsError, match="fetch it again"):
            reader(tmp_path / name)


def test_formats_are_not_confused(tmp_path: Path):
    torch.save(TENSORS, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="but a zip archive or a torch checkpoint"):
        read_tensors(tmp_path / "model.safetensors")
    save_file(TENSORS, tmp_path / "model.pt")
    with pytest.raises(WeightsError, match="is no torch checkpoint"):
        read_checkpoint(tmp_path / "model.pt")
    with zipfile.ZipFile(tmp_path / "weights.pt", "w") as archive:
        archive.writestr("model.safetensors", b"x")
    with pytest.raises(WeightsError, match="zip archive without a checkpoint"):
        read_checkpoint(tmp_path / "weights.pt")
    (tmp_path / "none").mkdir()
    with pytest.raises(WeightsError, match="holds neither"):
        read_tensors(tmp_path / "none")


def test_a_checkpoint_of_another_kind_is_named(tmp_path: Path):
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(WeightsError, match="holds a list"):
        read_checkpoint(tmp_path / "list.pt")
    content = {"model": TENSORS, "epoch": 1}
    with pytest.raises(WeightsError, match=r"holds no table 'encoder'; it holds model"):
        tensors_in(content, name="x.pt", under="encoder")
    with pytest.raises(WeightsError, match="epoch is no tensor"):
        tensors_in({"epoch": 1}, name="x.pt")
