"""The issue's list of bad input, through `watch` itself: one sentence with what to do, or what can be seen is told."""

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.test_video import numbered, sound_only, with_damaged_packets, written

from vljepa.data.encode import encode_mp4
from vljepa.data.errors import MediaError
from vljepa.embedder import Embedder
from vljepa.streaming.watch import WatchSettings, watch

SETTINGS = WatchSettings(decode="never", online="cluster")


def watched(source: Path, embedder: Embedder) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Segments and summary."""
    *segments, summary = watch(source, embedder, settings=SETTINGS)
    assert summary["event"] == "summary"
    return segments, summary


def test_what_holds_no_video_is_one_sentence_that_says_what_to_do(tiny_embedder: Embedder, tmp_path: Path) -> None:
    whole = encode_mp4(numbered(20), fps=10.0)
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.mp4").touch()
    os.mkfifo(tmp_path / "pipe.mp4")
    without_frames = written(tmp_path / "none.mkv", numbered(1))
    with_damaged_packets(without_frames, first=0, count=1)
    sentences = {
        tmp_path / "absent.mp4": "there is no such file: check the path",
        sound_only(tmp_path / "song.m4a"): "has no video track (only sound)",
        tmp_path / "cut.mp4": "was cut short: copy, download or record it again",
        tmp_path / "empty.mp4": "is empty (0 bytes): copy or download it again",
        tmp_path / "pipe.mp4": "is a pipe or a device: give a file, or let watch read it from standard input (-)",
        without_frames: "none.mkv has no frame that can be decoded",
    }
    for source, sentence in sentences.items():
        with pytest.raises(MediaError, match=re.escape(sentence)):
            list(watch(source, tiny_embedder, settings=SETTINGS))


def test_damaged_packets_in_the_middle_are_counted_and_passed_over(tiny_embedder: Embedder, tmp_path: Path) -> None:
    path = written(tmp_path / "holes.mp4", numbered(60), codec_options={"g": "10", "bf": "0", "crf": "12"})
    with_damaged_packets(path, first=23, count=3)
    segments, summary = watched(path, tiny_embedder)
    assert summary["skipped_packets"] == 3
    assert segments[0]["start"] == 0.0 and segments[-1]["end"] > 5.0


def test_one_frame_is_one_segment(tiny_embedder: Embedder, tmp_path: Path) -> None:
    path = tmp_path / "one.mp4"
    path.write_bytes(encode_mp4(numbered(1), fps=10.0))
    segments, summary = watched(path, tiny_embedder)
    assert len(segments) == 1 and summary["windows"] == 1


def test_odd_sizes_alpha_and_ten_bit_are_seen(tiny_embedder: Embedder, tmp_path: Path) -> None:
    alpha = np.zeros((12, 18, 34, 4), np.uint8)
    odd = encode_mp4(numbered(12, height=33, width=47), fps=5.0)
    (tmp_path / "odd.mp4").write_bytes(odd)
    for path in (
        written(tmp_path / "ten.mkv", numbered(12), codec="ffv1", pixels="yuv420p10le"),
        written(tmp_path / "alpha.mov", alpha, codec="qtrle", pixels="argb"),
        tmp_path / "odd.mp4",
    ):
        _, summary = watched(path, tiny_embedder)
        assert summary["windows"] >= 1 and summary["skipped_packets"] == 0


def test_8k_frames_are_scaled_on_the_way(tiny_embedder: Embedder, tmp_path: Path) -> None:
    path = tmp_path / "8k.mp4"
    frames = np.zeros((2, 4320, 7680, 3), np.uint8)
    path.write_bytes(encode_mp4(frames, fps=2.0))
    _, summary = watched(path, tiny_embedder)
    assert summary["windows"] == 1
