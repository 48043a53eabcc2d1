"""Processes and locks: no code from the working directory, no orphan, one writer."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from upscaler_core import UsageError
from upscaler_core.processes import locked, safe_path

HOSTILE = 'open({path!r}, "a").write(__name__ + "\\n")\nraise SystemExit("ran code from the working directory")\n'


@pytest.fixture
def hostile(tmp_path):
    """A folder with a module of every name in the standard library; and the file in which they say that they ran."""
    folder, ran = tmp_path / "folder", tmp_path / "ran"
    folder.mkdir()
    for name in sys.stdlib_module_names:
        (folder / f"{name}.py").write_text(HOSTILE.format(path=str(ran)))
    return folder, ran


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        "enhance a.flac b.flac --preset baseline --jobs 2 -o out/",
        "run pipeline.yaml --jobs 2",
        "evaluate baseline --data data --jobs 2 --down poly-sinc-hq",
        "inspect a.flac --json",
        "train recipe.yaml --out training",
    ],
)
def test_no_code_comes_from_the_working_directory(upscaler, hostile, audio, words):
    folder, ran = hostile
    (folder / "data").mkdir()
    for name in ("a.flac", "b.flac", "data/a.flac", "data/b.flac"):
        shutil.copy(audio / "arovane_beat_d_cc0_lossless.flac", folder / name)
    (folder / "pipeline.yaml").write_text("version: 1\ninput: [a.flac, b.flac]\noutput: out/\ntarget_rate: 48000\n")
    (folder / "recipe.yaml").write_text(
        "version: 1\ndata: {train: [a.flac], cache: cache}\nseconds: 0.1\nexcerpts: 4\nbatch: 2\nepochs: 1\nworkers: 2\n"
        "models: {small: {use: waveform-unet, base_channels: 16}}\nlosses: [{use: l1}]\n"
    )
    done = upscaler(*words.split(), cwd=folder)
    assert not ran.exists(), ran.read_text()
    assert "Traceback" not in done.stderr
    assert done.returncode == 0, done.stderr


def test_the_environment_is_as_before_afterwards(monkeypatch):
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    with safe_path():
        assert os.environ["PYTHONSAFEPATH"] == "1"
    assert "PYTHONSAFEPATH" not in os.environ


LOCKING = """
import sys, time
from pathlib import Path
from upscaler_core.processes import locked
with locked(Path(sys.argv[1]), "taken"):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_a_lock_ends_with_its_owner(tmp_path):
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", LOCKING, path], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout and owner.stdout.readline() == "locked\n"
        with pytest.raises(UsageError, match="taken"), locked(path, "taken"):
            pass
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    with locked(path, "taken"):
        pass


PARENT = """
import multiprocessing, sys, time
from upscaler_core.processes import end_with_parent

def work(pid):
    import os
    end_with_parent()
    with open(pid, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(60)

if __name__ == "__main__":
    multiprocessing.get_context("spawn").Process(target=work, args=(sys.argv[1],)).start()
    time.sleep(60)
"""


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="reads /proc")  # noqa: PTH112
def test_a_process_ends_with_its_parent(tmp_path):
    script, pid = tmp_path / "parent.py", tmp_path / "pid"
    script.write_text(PARENT)
    with subprocess.Popen([sys.executable, script, pid]) as parent:
        while not (pid.exists() and pid.read_text()):
            time.sleep(0.05)
        child = f"/proc/{pid.read_text()}"
        assert os.path.exists(child)  # noqa: PTH110
        parent.kill()
    for _ in range(200):
        if not os.path.exists(child):  # noqa: PTH110
            return
        time.sleep(0.05)
    pytest.fail("the process goes on without its parent")
