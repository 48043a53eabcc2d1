"""What is built from a recipe, and what cannot be trained."""

from __future__ import annotations

import pytest


def test_recordings_that_cannot_be_read_are_named_and_left_out(training, audio):
    (training.folder / "music").mkdir()
    (training.folder / "music" / "broken.flac").write_bytes(b"no audio at all")
    (training.folder / "music" / "good.flac").symlink_to(audio / "arovane_beat_d_cc0_lossless.flac")
    training.write(lambda recipe: recipe["data"].update(train=["music"]))
    done = training("--epochs", "1")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("broken.flac") == 1
    assert "left out" in done.stderr


@pytest.mark.parametrize(
    ("settings", "code", "message"),
    [
        (["data.train=[nothing]"], 2, "there is no audio file"),
        (["losses=[]"], 2, "nothing to minimize"),
        (["data.cache_gib=0.000001"], 2, "raise data.cache_gib"),
        (["models.small={use: tilted-noise}"], 2, "has weights to train"),
        (["precision=float16"], 2, "write precision: bfloat16"),
    ],
)
def test_what_cannot_be_trained_is_one_message(training, settings, code, message):
    words = [word for setting in settings for word in ("--set", setting)]
    done = training("--device", "cpu", *words)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
