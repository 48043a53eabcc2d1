"""`upscaler tune` with real trainings."""

from __future__ import annotations

import json

import pytest
import yaml
from conftest import AUDIO, Upscaler

RECIPE = {
    "version": 1,
    "data": {
        "train": [str(AUDIO / "arovane_beat_d_cc0_lossless.flac")],
        "validation": [str(AUDIO / "speech_kerstin_de_cc0_48k.flac")],
        "cache": "cache",
    },
    "seconds": 0.1,
    "excerpts": 8,
    "robust_training": False,
    "models": {"wave": {"use": "waveform-unet", "num_layers": 3}},
    "losses": [{"use": "l1"}],
    "workers": 0,
    "precision": "float32",
    "scoring": {"cutoffs": [6000], "seconds": 0.5},
    "search": {"models.wave.base_channels": {"choices": [16]}, "batch": {"choices": [2, 4]}},
}


@pytest.mark.slow
def test_the_best_recipe_trains_to_the_same_score(tmp_path):
    upscaler = Upscaler(tmp_path, OMP_NUM_THREADS="1")
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    done = upscaler("tune", "recipe.yaml", "-n", 1, "--set", "epochs=1", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert [trial["state"] for trial in result["trials"]] == ["done"]
    assert result["metric"] == "lsd"
    again = upscaler("train", "studies/recipe/best.yaml", "--out", "again")
    assert again.returncode == 0, again.stderr
    log = [json.loads(line) for line in (tmp_path / "again" / "log.jsonl").read_text().splitlines()]
    score = log[-1]["scores"]["6000"]
    assert score == pytest.approx(result["best"]["score"], rel=1e-6)
    assert (
        tmp_path / "studies" / "recipe" / "trials" / f"{result['best']['trial']:04}" / "best" / "pipeline.yaml"
    ).is_file()
