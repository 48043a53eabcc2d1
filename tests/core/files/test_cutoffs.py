"""Cut-offs that the user gives, as one word and as a list."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from upscaler_core import AudioInfo, OutputError, UsageError
from upscaler_core.files import GivenCutoff, cutoff_of, given_track, read_cutoffs, write_cutoffs


def listed(folder: Path, text: str | bytes) -> Path:
    path = folder / "list.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def cutoffs(folder: Path, text: str | bytes) -> dict[str, tuple[tuple[float, float], ...]]:
    files = read_cutoffs(listed(folder, text)).files
    return {file: tuple((given.start, given.cutoff_hz) for given in entry.cutoffs) for file, entry in files.items()}


@pytest.mark.parametrize(
    ("text", "hertz"),
    [
        ("4000", 4000),
        ("4k", 4000),
        ("4.2kHz", 4200),
        ("7.8 KHZ", 7800),
        ("22050Hz", 22050),
        ("auto", None),
        (" Auto ", None),
    ],
)
def test_a_cutoff_is_written_as_people_do(text, hertz):
    assert cutoff_of(text, "--cutoff") == hertz


@pytest.mark.parametrize("text", ["", "4", "4,2k", "-4000", "4kk", "nan", "1e4", "500k", "null"])
def test_what_is_no_cutoff_is_told_with_what_to_write(text):
    with pytest.raises(
        UsageError, match=r"^--cutoff: '.*' is no cut-off: write 'auto', or 100 to 384000 Hz as 4000 or 4k$"
    ):
        cutoff_of(text, "--cutoff")


@pytest.mark.parametrize(
    "text",
    [
        "file,cutoff_hz,start\na.wav,4k,\nb/c.wav,auto,\na.wav,16000,81.5\n",
        b"\xef\xbb\xbffile,cutoff_hz,start\r\na.wav,4000,0\r\nb/c.wav,auto,\r\n\r\na.wav,16 kHz,81.5\r\n",
        "File; Start; Note; Cutoff_Hz\na.wav;0;by ear, twice;4000\nb/c.wav;;;auto\n;;;\na.wav;81,5;;16000",
        '"file","cutoff_hz","start"\n"a.wav","4000","0"\n"b/c.wav","auto",""\n"a.wav","16000","81.5"\n',
    ],
    ids=["plain", "byte order mark", "semicolons", "quotes"],
)
def test_a_list_is_read_as_spreadsheets_write_it(tmp_path, text):
    assert cutoffs(tmp_path, text) == {"a.wav": ((0, 4000), (81.5, 16000)), "b/c.wav": ()}


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", ["1:1: the first line must name the columns: write file,cutoff_hz or file,cutoff_hz,start"]),
        ("a.wav,4000\n", ["1:1: the first line must name the columns: write file,cutoff_hz or file,cutoff_hz,start"]),
        ("file,cutoff_hz\na.wav,\n", ["2:7: the column 'cutoff_hz' is empty here: write Hz, such as 4000, or 'auto'"]),
        ("file,cutoff_hz\na.wav\n", ["2:1: the column 'cutoff_hz' is empty here: write Hz, such as 4000, or 'auto'"]),
        ("file,cutoff_hz\n,4000\n", ["2:1: the column 'file' is empty here: write a file's name or path"]),
        (
            'file,cutoff_hz,start\n"a,b.wav",high,\nb.wav,4000,soon\n',
            ["2:11: 'high' is no cut-off: write 'auto', or", "3:12: 'soon' is no time: write seconds, such as 12.5"],
        ),
        (
            "file,cutoff_hz,start\na.wav,4000,3\n",
            ["2:12: the first row of a file is for its beginning: write 0, or nothing"],
        ),
        (
            "file,cutoff_hz,start\na.wav,4000,\na.wav,5000,9\na.wav,6000,8.5\n",
            ["4:12: a file's rows are in order of time: write a start after 9 s"],
        ),
        (
            "file,cutoff_hz\na.wav,4000\na.wav,5000\n",
            ["3:1: a file's rows are in order of time: write a start after 0 s"],
        ),
        (
            "file,cutoff_hz,start\na.wav,auto,\na.wav,5000,9\n",
            ["3:7: 'auto' is for a whole file: write Hz in each row of this file"],
        ),
    ],
    ids=lambda value: value[-20:] if isinstance(value, str) else "",
)
def test_every_fault_is_told_with_its_place(tmp_path, text, faults):
    path = listed(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        read_cutoffs(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(faults)
    for line, fault in zip(lines, faults, strict=True):
        assert line.startswith(f"{path}:{fault}")


def test_what_cannot_be_read_is_told(tmp_path):
    with pytest.raises(UsageError, match=r"none.csv cannot be read: No such file"):
        read_cutoffs(tmp_path / "none.csv")
    with pytest.raises(UsageError, match="is not in UTF-8: save it as 'CSV UTF-8'"):
        read_cutoffs(listed(tmp_path, "file,cutoff_hz\nTïtle.wav,4000\n".encode("latin-1")))


def assigned(folder: Path, *rows: str) -> tuple[dict[str, float], list[str]]:
    """Which of three inputs below the folder `in` get which cut-off, and the warnings."""
    inputs = [(folder / "in" / name, name) for name in ("a.wav", "deep/a.wav", "deep/b.wav")]
    text = "\n".join(("file,cutoff_hz", *rows))
    found, unmatched = read_cutoffs(listed(folder, text)).assigned(inputs)
    names = {path.relative_to(folder / "in").as_posix(): given[0].cutoff_hz for path, given in found.items()}
    return names, [sentence.removeprefix(str(folder)) for sentence in unmatched]


def test_files_are_found_by_path_from_the_list_by_path_below_the_input_and_by_name(tmp_path):
    rows = ("in/a.wav,1000", "deep/a.wav,2000", "b.wav,3000")
    assert assigned(tmp_path, *rows) == ({"a.wav": 1000, "deep/a.wav": 2000, "deep/b.wav": 3000}, [])
    assert assigned(tmp_path, "a.wav,1000") == ({"a.wav": 1000}, []), "a path below the input is more than a name"
    absolute = tmp_path / "in" / "deep" / ".." / "a.wav"
    assert assigned(tmp_path, f"{absolute},1000") == ({"a.wav": 1000}, [])


def test_a_row_for_no_input_is_told_and_a_hundred_of_them_in_short(tmp_path):
    found, unmatched = assigned(tmp_path, "b.wav,1000", "c.wav,2000")
    assert found == {"deep/b.wav": 1000} and unmatched == [
        "/list.csv:3:1: no input is 'c.wav', so this row changes nothing"
    ]
    _, unmatched = assigned(tmp_path, *(f"{number}.wav,1000" for number in range(100)))
    assert len(unmatched) == 6 and unmatched[-1] == "/list.csv: 95 more rows change nothing"


def test_a_name_that_means_two_files_and_a_file_of_two_names_are_refused(tmp_path):
    inputs = [(tmp_path / name, name) for name in ("x/a.wav", "y/a.wav")]
    with pytest.raises(UsageError, match=r"list.csv:2:1: 'a.wav' may be .*x/a.wav or .*y/a.wav: write its path"):
        read_cutoffs(listed(tmp_path, "file,cutoff_hz\na.wav,4000\n")).assigned(inputs)
    with pytest.raises(
        UsageError, match=r"list.csv:3:1: './x/a.wav' is .*x/a.wav, which the list has under another name"
    ):
        read_cutoffs(listed(tmp_path, "file,cutoff_hz\nx/a.wav,4000\n./x/a.wav,5000\n")).assigned(inputs)


def test_what_is_written_is_read_back_and_never_written_over(tmp_path):
    path = tmp_path / "lists" / "list.csv"
    odd = tmp_path / 'od"d, name.wav'
    rows = [(odd, 0.0, 3400.4, "a note, as said"), (odd, 81.5004, 16000.0, ""), (tmp_path / "b.wav", 0.0, 8000.0, "x")]
    write_cutoffs(path, rows)
    found, unmatched = read_cutoffs(path).assigned([(odd, odd.name), (tmp_path / "b.wav", "b.wav")])
    assert found == {
        odd: (GivenCutoff(0.0, 3400.0), GivenCutoff(81.5, 16000.0)),
        tmp_path / "b.wav": (GivenCutoff(0.0, 8000.0),),
    }
    assert unmatched == []
    before = path.read_bytes()
    with pytest.raises(OutputError, match="exists: it may have been edited"):
        write_cutoffs(path, [])
    assert path.read_bytes() == before


def test_given_cutoffs_become_a_track_in_samples_and_no_more_than_the_file_holds():
    recording = SimpleNamespace(path=Path("x.wav"), info=AudioInfo(16_000, 1, 160_000, "WAV"))
    track = given_track((GivenCutoff(0.0, 3400.0), GivenCutoff(2.5, 22050.0)), recording)
    assert [(segment.start, segment.bandwidth.cutoff_hz) for segment in track.segments] == [(0, 3400), (40_000, 8_000)]
    with pytest.raises(UsageError, match=r"x.wav ends at 10.000 s: .* has a part that begins at 12 s"):
        given_track((GivenCutoff(0.0, 3400.0), GivenCutoff(12.0, 22050.0)), recording)
