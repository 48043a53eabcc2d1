"""Checkpoints: complete, verified, of the right model, and never a pickle."""

import json
import struct

import pytest
import torch
from torch import nn

from upscaler_core import InputError, ModelOptions, OutputError, load_checkpoint, option
from upscaler_core.models import Card, read_card, read_checkpoint, write_checkpoint
from upscaler_core.models.checkpoint import available


class NetOptions(ModelOptions):
    width: int = option(2, ge=1, le=8, help="channels")


def net(width=3):
    return nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


@pytest.fixture
def card(path):
    return write_checkpoint(path, net().state_dict(), Card(component="net", options={"width": 3}, rate=48_000))


def load(path, **options):
    return load_checkpoint(NetOptions(checkpoint=str(path), **options), "net", "upscaler_core")


def test_what_was_written_is_read(path, card):
    module, opened = net(), read_checkpoint(path)
    opened.into(module)
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, opened.tensors[name])
    assert opened.card == card == read_card(path)
    assert len(card.sha256) == 64


def test_half_precision_is_stored_and_read_back_into_float32(path):
    source, module = net(), net()
    write_checkpoint(path, source.state_dict(), Card(component="net", rate=48_000), torch.float16)
    opened = read_checkpoint(path)
    assert opened.tensors["0.weight"].dtype == torch.float16
    assert opened.tensors["1.num_batches_tracked"].dtype == torch.int64
    opened.into(module)
    assert module[0].weight.dtype == torch.float32
    assert torch.allclose(module[0].weight, source[0].weight, atol=1e-3)


def test_options_that_are_not_set_come_from_the_checkpoint(path, card):
    options, opened = load(path, precision="float32")
    assert (options.width, options.precision) == (3, "float32")
    assert opened.card == card
    assert load(path, width=3)[0].width == 3


def test_none_is_untrained():
    options, opened = load("none", width=5)
    assert opened is None
    assert options.width == 5


def test_names_are_looked_up_in_the_user_s_folder(path, card, monkeypatch):
    monkeypatch.setenv("UPSCALER_MODELS", str(path.parent))
    assert load("net")[1].card == card
    assert ("local", path) in list(available([]))
    with pytest.raises(InputError, match="there is no checkpoint 'nat'"):
        load("nat")


def test_weights_that_do_not_ship_are_an_error():
    with pytest.raises(InputError, match="no weights ship with net: give a checkpoint, or train one"):
        load("bundled")


@pytest.mark.parametrize("keep", [0, 4, 50, 0.5, -1])
def test_a_truncated_file_is_an_error(path, card, keep):
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    with pytest.raises(InputError, match=r"truncated|damaged"):
        read_checkpoint(path)


def test_a_changed_weight_is_an_error(path, card):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="hash does not match"):
        read_checkpoint(path)


def test_nan_is_an_error(path):
    write_checkpoint(path, {"w": torch.tensor([1.0, torch.nan])}, Card(component="net", rate=48_000))
    with pytest.raises(InputError, match="NaN or infinity in w"):
        read_checkpoint(path)


def test_a_header_of_absurd_size_is_not_read(path):
    path.write_bytes(struct.pack("<Q", 1 << 62) + b"{}")
    with pytest.raises(InputError, match="not a safetensors file"):
        read_card(path)


def test_a_file_without_a_card_is_an_error(path):
    header = json.dumps({"__metadata__": {"format": "pt"}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(InputError, match="no card; `upscaler models import` writes one"):
        read_card(path)


def test_another_model_s_weights_are_refused(path, card):
    with pytest.raises(InputError, match="holds weights of net, not of other"):
        load_checkpoint(NetOptions(checkpoint=str(path)), "other", "upscaler_core")


def test_other_options_are_refused(path, card):
    with pytest.raises(InputError, match="trained with width=3, not 4: leave width out"):
        load(path, width=4)


def test_options_of_a_later_version_are_an_error(path):
    write_checkpoint(path, {}, Card(component="net", options={"depth": 3}, rate=48_000))
    with pytest.raises(InputError, match="options this version does not know: depth"):
        load(path)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Linear(3, 3), "it lacks bias, weight"),
        (
            nn.Sequential(nn.Linear(3, 3)),
            "it has, and the model has not, 1.bias, 1.num_batches_tracked, 1.running_mean and 2 more",
        ),
        (net(4), r"0.bias is \[3\], not \[4\]"),
    ],
)
def test_weights_that_do_not_fit_are_an_error(path, card, module, message):
    with pytest.raises(InputError, match=message):
        read_checkpoint(path).into(module)


def test_a_file_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        write_checkpoint(tmp_path / "file" / "net.safetensors", {}, Card(component="net", rate=48_000))


def test_more_bytes_than_the_header_accounts_for_are_not_read(path, card):
    with path.open("r+b") as file:
        file.truncate(20 << 30)  # a sparse file
    with pytest.raises(InputError, match="does not account for its 21,474,836,480 bytes"):
        read_checkpoint(path)


def test_a_header_that_is_nested_without_end_is_an_error(path):
    header = b'{"a":' + b"[" * 100_000
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(InputError, match="not a safetensors file"):
        read_card(path)
