"""Ctrl-C, a polite kill and a closed terminal during long work, in a real process."""

import signal
import subprocess
import sys

import pytest

from upscaler_core.cli.interrupt import SIGNALS

PROGRAM = """
import signal, sys, time
from upscaler_core.cli import Interrupt

former = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
try:
    with Interrupt() as interrupt:
        print("working", flush=True)
        while not interrupt.requested:
            time.sleep(0.01)
        print("requested", flush=True)
        if "more" in sys.argv:
            time.sleep(60)
except KeyboardInterrupt:
    print("interrupted")
print("restored", [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == former)
"""


def start(*words):
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "working\n"
    return process


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_the_first_signal_only_sets_the_flag(number):
    process = start()
    process.send_signal(number)
    assert process.communicate(timeout=30)[0] == "requested\nrestored True\n"
    assert process.returncode == 0


@pytest.mark.parametrize("second", SIGNALS, ids=lambda number: number.name)
def test_the_second_signal_interrupts_at_once(second):
    process = start("more")
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "requested\n"
    process.send_signal(second)
    assert process.communicate(timeout=30)[0] == "interrupted\nrestored True\n"
    assert process.returncode == 0
