"""Files that are complete or absent, and of which two processes cannot both win."""

from pathlib import Path

import pytest

from upscaler_core import OutputError
from upscaler_core.files import atomic_write


def without_links(self, target):
    raise PermissionError(1, "Operation not permitted")


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_another_process_wrote_meanwhile_is_kept(tmp_path, monkeypatch, links):
    if not links:  # as on FAT
        monkeypatch.setattr(Path, "hardlink_to", without_links)
    target = tmp_path / "x.flac"

    def write():
        with atomic_write(target, overwrite=False) as part:
            part.write_bytes(b"mine")
            target.write_bytes(b"the other one's")

    with pytest.raises(OutputError, match=r"x\.flac exists now: another process wrote it"):
        write()
    assert target.read_bytes() == b"the other one's"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("overwrite", [True, False])
def test_where_the_name_is_free_the_file_gets_it(tmp_path, monkeypatch, links, overwrite):
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", without_links)
    with atomic_write(tmp_path / "new" / "x.flac", overwrite=overwrite) as part:
        part.write_bytes(b"mine")
    assert (tmp_path / "new" / "x.flac").read_bytes() == b"mine"
    assert len(list((tmp_path / "new").iterdir())) == 1
