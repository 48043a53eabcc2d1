"""The hooks that a plugin may implement, one for each kind of component. A hook returns records (`Component`), never built
objects.

A plugin is a module that imports nothing heavy. It is registered as an entry point in the namespace `upscaler.plugins`:

    # pyproject.toml
    [project.entry-points."upscaler.plugins"]
    hello = "upscaler_hello.plugin"

    # upscaler_hello/plugin.py
    from upscaler_core import Component, hookimpl

    api_version = 2

    @hookimpl
    def upscaler_resamplers():
        return [Component("hello", "upscaler_hello.nearest:Nearest", summary="repeats samples")]
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from upscaler_core.plugins.components import Component

hookspec = pluggy.HookspecMarker("upscaler")
hookimpl = pluggy.HookimplMarker("upscaler")


@hookspec
def upscaler_resamplers() -> Iterable[Component]:
    """Offer sample-rate converters (`protocols.Resampler`).

    >>> @hookimpl
    ... def upscaler_resamplers():
    ...     return [Component("nearest", "upscaler_hello.nearest:Nearest", summary="repeats samples")]
    """
    return ()


@hookspec
def upscaler_detectors() -> Iterable[Component]:
    """Offer ways to find where the content ends (`protocols.BandwidthDetector`).

    >>> @hookimpl
    ... def upscaler_detectors():
    ...     return [Component("fixed", "upscaler_hello.fixed:Fixed", summary="always 8 kHz")]
    """
    return ()


@hookspec
def upscaler_models() -> Iterable[Component]:
    """Offer enhancement models (`protocols.EnhancementModel`).

    >>> @hookimpl
    ... def upscaler_models():
    ...     return [Component("echo", "upscaler_hello.echo:EchoNet", summary="returns its input")]
    """
    return ()


@hookspec
def upscaler_fusions() -> Iterable[Component]:
    """Offer ways to join the models' estimates (`protocols.FusionStrategy`).

    >>> @hookimpl
    ... def upscaler_fusions():
    ...     return [Component("mean", "upscaler_hello.mean:Mean", summary="the estimates' mean")]
    """
    return ()


@hookspec
def upscaler_degradations() -> Iterable[Component]:
    """Offer damage to train against (`protocols.Degradation`).

    >>> @hookimpl
    ... def upscaler_degradations():
    ...     return [Component("hum", "upscaler_hello.hum:Hum", summary="50 Hz and its harmonics")]
    """
    return ()


@hookspec
def upscaler_losses() -> Iterable[Component]:
    """Offer training losses (`protocols.Loss`).

    >>> @hookimpl
    ... def upscaler_losses():
    ...     return [Component("log-cosh", "upscaler_hello.logcosh:LogCosh", summary="log cosh of the error")]
    """
    return ()


@hookspec
def upscaler_metrics() -> Iterable[Component]:
    """Offer measures of quality (`protocols.Metric`).

    >>> @hookimpl
    ... def upscaler_metrics():
    ...     return [Component("snr", "upscaler_hello.snr:Snr", summary="signal to noise ratio, dB")]
    """
    return ()


@hookspec
def upscaler_exporters() -> Iterable[Component]:
    """Offer file writers (`protocols.Exporter`); the record's suffixes choose them.

    >>> @hookimpl
    ... def upscaler_exporters():
    ...     return [Component("raw", "upscaler_hello.raw:RawExporter", summary="bare samples", suffixes=(".raw",))]
    """
    return ()


@hookspec
def upscaler_readers() -> Iterable[Component]:
    """Offer file readers (`protocols.Reader`); the record's suffixes choose them.

    >>> @hookimpl
    ... def upscaler_readers():
    ...     return [Component("raw", "upscaler_hello.raw:RawReader", summary="bare samples", suffixes=(".raw",))]
    """
    return ()


@hookspec
def upscaler_finishers() -> Iterable[Component]:
    """Offer work on the finished signal (`protocols.Finisher`).

    >>> @hookimpl
    ... def upscaler_finishers():
    ...     return [Component("gain", "upscaler_hello.gain:Gain", summary="a constant gain")]
    """
    return ()


@hookspec
def upscaler_commands() -> Iterable[Component]:
    """Offer sub-commands of `upscaler` (`protocols.Command`); the record's name is the command's.

    >>> @hookimpl
    ... def upscaler_commands():
    ...     return [Component("hello", "upscaler_hello.cli:Hello", summary="say hello")]
    """
    return ()
