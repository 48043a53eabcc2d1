"""What C libraries print is caught; what Python prints is not."""

import os
import subprocess
import sys

from upscaler_core.files import caught_messages

PROGRAM = """
import os, sys
from upscaler_core.files import caught_messages

with caught_messages() as messages:
    for number in range(5000):
        os.write(2, b"\\n note %d of a decoder\\n" % number)
    print("from Python", file=sys.stderr)
    assert messages.take() == "note 0 of a decoder"
    assert messages.take() == ""
    os.write(2, b"one more\\n")
    assert messages.take() == "one more"
os.write(2, b"after\\n")
print("Python after", file=sys.stderr)
"""


def test_descriptor_2_is_caught_and_python_is_not():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "from Python\nafter\nPython after\n")


def test_it_works_where_stderr_is_no_file(capsys):
    with caught_messages() as messages:
        os.write(2, b"a note\n")
        assert messages.take() == "a note"
