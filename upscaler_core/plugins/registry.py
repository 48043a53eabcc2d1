"""Finds plugins, asks each one what it offers, and builds components when they are needed.

stevedore loads the plugins one by one; pluggy asks them what they offer. If a plugin is broken, only that plugin stops
working: the registry records which one it is, at which stage it broke (import, register, declare) and why. A listing imports
only the plugins' light entry modules. A component's own code is imported when the component is built. Nothing of a disabled
plugin is imported.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from stevedore.extension import ExtensionManager

from upscaler_core.errors import MissingDependency, PluginError, UnknownComponent, UpscalerError
from upscaler_core.plugins import compatibility, hookspecs
from upscaler_core.plugins.components import Component, Kind, Options, suggest, validate
from upscaler_core.plugins.local_plugin import load_file, location
from upscaler_core.plugins.trace import trace
from upscaler_core.plugins.user_config import read_config

if TYPE_CHECKING:
    from upscaler_core.dsp.resample import Resample
    from upscaler_core.plugins import protocols

GivenOptions = Mapping[str, Any] | Options
"""Options as they were written, or checked."""
NAMESPACE = "upscaler.plugins"
"""Entry points in this namespace are plugins."""
DISTRIBUTION = "ai-audio-upscaler"
"""What this toolkit is called on PyPI."""


@dataclass(frozen=True)
class PluginInfo:
    """One plugin: working, broken or disabled."""

    name: str
    target: str
    """The entry module, or the file of a local plugin."""
    distribution: str = ""
    version: str = ""
    stage: str | None = None
    """Where the plugin broke: `import`, `register` or `declare`; None for a working plugin."""
    reason: str | None = None
    disabled: bool = False

    @property
    def state(self) -> str:
        """`ok`, `broken` or `disabled`."""
        return "disabled" if self.disabled else "broken" if self.stage else "ok"

    @property
    def trouble(self) -> str:
        """Why the plugin offers nothing; empty for a working plugin."""
        if self.disabled:
            return f"disabled: `upscaler plugins --enable {self.name}` turns it on"
        return f"broken at {self.stage}: {self.reason}" if self.stage else ""

    @property
    def built_in(self) -> bool:
        """Whether the plugin comes with this distribution."""
        return self.distribution == DISTRIBUTION


@dataclass(frozen=True)
class Entry:
    """One component on offer: its record, its kind, and the plugin that offers it."""

    component: Component
    kind: Kind
    plugin: PluginInfo

    @property
    def full_name(self) -> str:
        """`plugin/name`, which is never ambiguous."""
        return f"{self.plugin.name}/{self.component.name}"


class _Loader(ExtensionManager):  # type: ignore[misc]
    """stevedore's loader for one entry point. Its own list of entry points may be two minutes older than an installation."""

    def __init__(self, entry_point: EntryPoint) -> None:
        self.entry_point = entry_point
        super().__init__(NAMESPACE, on_load_failure_callback=self._raise)

    def list_entry_points(self) -> list[EntryPoint]:
        return [self.entry_point]

    @staticmethod
    def _raise(manager: object, entry_point: EntryPoint, error: BaseException) -> None:
        raise error


class Registry:
    """The plugins of this environment and what they offer.

    Args:
        points: entry points to load; those of the namespace `upscaler.plugins` by default (`discover`).
        plugins: further plugins by name: modules, or objects with hook implementations. For a registry in tests that does
            not depend on what is installed, pass `points=()` too.
        disabled: names of plugins that are not imported.
    """

    def __init__(
        self,
        points: Iterable[EntryPoint] | None = None,
        plugins: Mapping[str, object] | None = None,
        disabled: Collection[str] = (),
    ) -> None:
        self.plugins: list[PluginInfo] = []
        self.entries: list[Entry] = []
        self._manager = compatibility.Manager("upscaler")
        self._manager.add_hookspecs(hookspecs)
        if os.environ.get("UPSCALER_TRACE"):
            trace(self._manager)
        points = entry_points(group=NAMESPACE) if points is None else points
        with_info = [(_plugin_info(point), point) for point in points]
        for info, point in sorted(with_info, key=lambda pair: (not pair[0].built_in, pair[0].name)):
            if info.name in disabled:
                self.plugins.append(replace(info, disabled=True))
                continue
            self._add(info, lambda point=point: _Loader(point).extensions[0].plugin)  # type: ignore[misc]
        for name, plugin in (plugins or {}).items():
            target = getattr(plugin, "__name__", type(plugin).__qualname__)
            self._add(PluginInfo(name, target), lambda plugin=plugin: plugin)  # type: ignore[misc]

    def add_files(self, paths: Iterable[str | Path]) -> Registry:
        """Load local plugins that are not loaded yet. Each is a Python file, which gives the plugin its name; its code runs.

        Returns:
            This registry.

        Raises:
            PluginError: a plugin is broken. The message begins with its path, and with the line if that is known.
        """
        for file in (str(Path(path).resolve()) for path in paths):
            if file in (plugin.target for plugin in self.plugins):
                continue
            self._add(PluginInfo(Path(file).stem, file), functools.partial(load_file, Path(file)))
            if reason := self.plugins[-1].reason:
                del self.plugins[-1]
                raise PluginError(reason if reason.startswith(file) else f"{file}: {reason}")
        return self

    def _add(self, info: PluginInfo, load: Callable[[], object]) -> None:
        """Load and register one plugin, and ask for its components. Whatever it raises makes it a broken plugin."""
        stage, plugin = "import", None
        try:
            plugin = load()
            stage = "register"
            self._register(info.name, plugin)
            stage = "declare"
            entries = list(self._offered(info, plugin))
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - a plugin may raise anything, SystemExit included
            if plugin is not None and self._manager.is_registered(plugin):
                self._manager.unregister(plugin)
            self.plugins.append(replace(info, stage=stage, reason=_one_line(error, info)))
        else:
            self.plugins.append(info)
            self.entries += entries

    def _register(self, name: str, plugin: object) -> None:
        """Enter a plugin, unless its version, its name or its hooks are wrong."""
        compatibility.refuse_newer(plugin)
        if owner := next((p for p in self.plugins if p.name == name and p.state == "ok"), None):
            raise PluginError(f"the plugin name '{name}' is already taken by {owner.distribution or owner.target}")
        self._manager.register(plugin, name)
        callers = self._manager.get_hookcallers(plugin) or []
        hooks = [kind.hook for kind in Kind]
        for caller in callers:
            if not caller.has_spec():
                raise PluginError(f"there is no hook {caller.name}; {suggest(caller.name, hooks)}")
        if not callers:
            raise PluginError("it implements no hook; mark its functions with @hookimpl")

    def _offered(self, info: PluginInfo, plugin: object) -> Iterator[Entry]:
        """Call every hook of one registered plugin."""
        others = [p for p in self._manager.get_plugins() if p is not plugin]
        for kind in Kind:
            names: set[str] = set()
            for components in self._manager.subset_hook_caller(kind.hook, others)():
                for component in components:
                    if not isinstance(component, Component):
                        raise PluginError(f"{kind.hook} returned {component!r}, not a Component")
                    if component.name in names:
                        raise PluginError(f"{kind.hook} returned '{component.name}' twice")
                    names.add(component.name)
                    yield Entry(component, kind, info)

    def of(self, kind: Kind) -> list[Entry]:
        """All components of one kind, built-ins first."""
        return [entry for entry in self.entries if entry.kind == kind]

    def names(self, kind: Kind) -> list[str]:
        """The shortest unambiguous name of each component of one kind."""
        return [self.name_of(entry) for entry in self.of(kind)]

    def name_of(self, entry: Entry) -> str:
        """The component's name, or `plugin/name` where the bare name means another component or several."""
        try:
            return entry.component.name if self.find(entry.kind, entry.component.name) is entry else entry.full_name
        except UnknownComponent:
            return entry.full_name

    def find(self, kind: Kind, name: str) -> Entry:
        """Find a component by its name, or by `plugin/name`.

        A bare name that a built-in has means the built-in, so that no pipeline changes when a plugin is installed.

        Raises:
            UnknownComponent: no component has that name, or several plugins offer one.
        """
        entries = self.of(kind)
        matches = [e for e in entries if name in (e.component.name, e.full_name)]
        if len(matches) > 1:
            matches = [e for e in matches if e.plugin.built_in] or matches
        if len(matches) > 1:
            choices = " or ".join(f"'{e.full_name}'" for e in matches)
            raise UnknownComponent(f"several plugins offer a {kind} '{name}': write {choices}")
        if not matches:
            known = [e.component.name for e in entries]
            raise UnknownComponent(f"there is no {kind} '{name}'; {suggest(name, known)}{self.unavailable_note()}")
        return matches[0]

    def unavailable_note(self) -> str:
        """The end of a message about an unknown name: the disabled and broken plugins, one of which may be meant."""
        return "".join(f"; the plugin '{p.name}' is {p.trouble}" for p in self.plugins if p.trouble)

    def build(self, kind: Kind, name: str, options: GivenOptions | None = None) -> Any:
        """Build a component: validate its options, import its factory, call it.

        Raises:
            UnknownComponent, OptionError: the name or the options are wrong.
            MissingDependency: the component needs a package that is not installed.
            PluginError: the factory is missing or fails.
        """
        entry = self.find(kind, name)
        values = validate(entry.component, options or {})
        factory = self._factory(entry)
        return _run_plugin_code(entry, "building it failed", lambda: factory(values))

    def _factory(self, entry: Entry) -> Callable[[Options], Any]:
        """Import a component's factory."""
        module, attribute = entry.component.factory.split(":")
        imported = _run_plugin_code(entry, f"importing {module} failed", lambda: import_module(module))
        if not callable(factory := getattr(imported, attribute, None)):
            raise PluginError(f"{entry.full_name}: its factory {entry.component.factory} does not exist")
        return cast("Callable[[Options], Any]", factory)

    def resampler(self, name: str, checked: GivenOptions | None = None, /, **options: Any) -> Resample:
        """Build a resampler, wrapped for whole signals and streams.

        Here and in the methods below, the options are keywords, or, as a pipeline file's checked ones, an argument.
        """
        from upscaler_core.dsp.resample import Resample

        return Resample(self.build(Kind.RESAMPLER, name, checked or options))

    def detector(
        self, name: str, checked: GivenOptions | None = None, /, **options: Any
    ) -> protocols.BandwidthDetector:
        """Build a bandwidth detector."""
        return cast("protocols.BandwidthDetector", self.build(Kind.DETECTOR, name, checked or options))

    def model(self, name: str, checked: GivenOptions | None = None, /, **options: Any) -> protocols.EnhancementModel:
        """Build an enhancement model."""
        return cast("protocols.EnhancementModel", self.build(Kind.MODEL, name, checked or options))

    def fusion(self, name: str, checked: GivenOptions | None = None, /, **options: Any) -> protocols.FusionStrategy:
        """Build a fusion."""
        return cast("protocols.FusionStrategy", self.build(Kind.FUSION, name, checked or options))

    def degradation(self, name: str, checked: GivenOptions | None = None, /, **options: Any) -> protocols.Degradation:
        """Build a degradation."""
        return cast("protocols.Degradation", self.build(Kind.DEGRADATION, name, checked or options))

    def loss(self, name: str, checked: GivenOptions | None = None, /, **options: Any) -> protocols.Loss:
        """Build a loss."""
        return cast("protocols.Loss", self.build(Kind.LOSS, name, checked or options))

    def metric(self, name: str, checked: GivenOptions | None = None, /, **options: Any) -> protocols.Metric:
        """Build a metric."""
        return cast("protocols.Metric", self.build(Kind.METRIC, name, checked or options))

    def exporter(self, name: str, checked: GivenOptions | None = None, /, **options: Any) -> protocols.Exporter:
        """Build an exporter."""
        return cast("protocols.Exporter", self.build(Kind.EXPORTER, name, checked or options))

    def reader(self, name: str, checked: GivenOptions | None = None, /, **options: Any) -> protocols.Reader:
        """Build a reader."""
        return cast("protocols.Reader", self.build(Kind.READER, name, checked or options))

    def finisher(self, name: str, checked: GivenOptions | None = None, /, **options: Any) -> protocols.Finisher:
        """Build a finisher."""
        return cast("protocols.Finisher", self.build(Kind.FINISHER, name, checked or options))


@functools.cache
def discover() -> Registry:
    """Load every plugin that is installed in this environment, once in a process.

    Broken plugins, and those that the user's configuration disables, offer nothing: see `Registry.plugins`.

    Raises:
        UsageError: the configuration file is wrong.
    """
    return Registry(disabled=read_config().disabled_plugins)


def _plugin_info(point: EntryPoint) -> PluginInfo:
    return PluginInfo(
        point.name, point.value, point.dist.name if point.dist else "", point.dist.version if point.dist else ""
    )


def _run_plugin_code(entry: Entry, failure: str, code: Callable[[], Any]) -> Any:
    """Run a plugin's code; an error becomes a sentence that names the plugin and, as `failure` says it, what failed."""
    try:
        return code()
    except (UpscalerError, KeyboardInterrupt):
        raise
    except ModuleNotFoundError as error:
        if not entry.component.extra:
            raise PluginError(f"{entry.full_name}: {failure}: {error}") from error
        raise MissingDependency(
            f"{entry.full_name} needs the package '{error.name}': pip install '{entry.component.extra}'"
        ) from error
    except BaseException as error:
        raise PluginError(f"{entry.full_name}: {failure}: {_one_line(error, entry.plugin)}") from error


def _one_line(error: BaseException, plugin: PluginInfo) -> str:
    """An error that a plugin raised, in one line; for a local plugin with file and line."""
    text = " ".join(str(error).split())
    if not isinstance(error, UpscalerError) or not text:
        text = f"{type(error).__name__}: {text}".rstrip(": ")
    if isinstance(error, ImportError) and (error.name or "").partition(".")[0] == "upscaler_core":
        text += f"; it is made for another version of {DISTRIBUTION} than this one"
    return location(error, plugin.target) + text
