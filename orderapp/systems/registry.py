"""Finds all systems: each file in this folder with a concrete `System`, and plugins. No list names them."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from types import ModuleType

import orderapp.systems
from orderapp.domain.inputs import Code
from orderapp.domain.retry import Backoff
from orderapp.errors import ConfigurationError, SystemUnknown
from orderapp.languages import Language
from orderapp.systems.base import Part, System
from orderapp.systems.declarations import (
    prefix_of,
    refuse_impossible,
    refuse_impossible_examples,
    refuse_impossible_order,
)
from orderapp.systems.guarding import guarded
from orderapp.systems.jobs import jobs_in
from orderapp.systems.limits import Limits
from orderapp.systems.members import refuse_incomplete, refuse_unmade
from orderapp.systems.settings import Environment

ENTRY_POINTS, VARIABLE = "orderapp.plugins", "ORDERAPP_PLUGINS"


def plugin_modules(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return the modules of plugins: those that installed packages name, and those in `ORDERAPP_PLUGINS`."""
    installed = sorted(point.value for point in entry_points(group=ENTRY_POINTS))
    named = (word.strip() for word in variables.get(VARIABLE, "").split(","))
    return tuple(dict.fromkeys((*installed, *filter(None, named))))


@cache
def system_classes(plugins: tuple[str, ...] = ()) -> tuple[type[System], ...]:
    """Return all systems, in their declared order.

    Args:
        plugins: The modules of plugins.

    Raises:
        ConfigurationError: two systems have the same name; a plugin can't be imported, or declares nothing usable.
    """
    found: dict[str, type[System]] = {}
    for kind in (*_shipped(), *(kind for name in plugins for kind in _plugged_in(name))):
        if kind.name in found:
            raise ConfigurationError(f"system {kind.name}: declared twice, in {found[kind.name].__module__} and here")
        found[kind.name] = kind
    return tuple(sorted(found.values(), key=lambda system: (system.position, system.name)))


def _shipped() -> Iterator[type[System]]:
    for module_info in iter_modules(orderapp.systems.__path__):
        name = f"orderapp.systems.{module_info.name}"
        yield from (kind for kind in _systems_in(import_module(name)) if not inspect.isabstract(kind))


def _plugged_in(name: str) -> Iterator[type[System]]:
    try:
        module = import_module(name)
    except Exception as error:
        raise ConfigurationError(f"plugin {name}: can't be imported ({type(error).__name__}: {error})") from error
    kinds = list(_systems_in(module))
    if not kinds and not jobs_in(module):
        raise ConfigurationError(f"plugin {name}: declares neither a system nor a job")
    for kind in kinds:
        refuse_incomplete(kind)
        yield kind


def _systems_in(module: ModuleType) -> Iterator[type[System]]:
    for candidate in vars(module).values():
        if inspect.isclass(candidate) and issubclass(candidate, System) and candidate.__module__ == module.__name__:
            yield candidate


def inputs_of(systems: Iterable[System | type[System]]) -> Mapping[str, Code]:
    """Return all inputs by name, in the order of the systems. ConfigurationError for one that can't be declared."""
    declared = [(system.name, code) for system in systems for code in system.inputs]
    names = {code.name for _name, code in declared}
    found: dict[str, Code] = {}
    for name, code in declared:
        where = f"system {name}: input {code.name}"
        if code.needs and code.needs not in names:
            raise ConfigurationError(f"{where}: needs {code.needs!r}, which isn't an input of any system")
        try:
            code.refuse_impossible_declaration()
        except ValueError as error:
            raise ConfigurationError(f"system {name}: {error}") from None
        if code.name in found:
            raise ConfigurationError(f"{where}: another system has it")
        found[code.name] = code
    return found


def _made(kind: type[System], env: Environment, backoff: Backoff) -> System:
    try:
        return kind.from_environment(env, backoff)
    except ConfigurationError:
        raise
    except Exception as error:
        text = f"system {kind.name}: from_environment raised {type(error).__name__}: {error}"
        raise ConfigurationError(text) from error


class Systems(Mapping[str, System]):
    """All systems with their settings, by name, in their declared order."""

    def __init__(self, systems: Mapping[str, System]) -> None:
        self._systems = {name: guarded(system) for name, system in systems.items()}
        self.inputs = inputs_of(self._systems.values())
        self.translations: dict[str, dict[str, str]] = {}  # by language code, then by English text
        for system in self._systems.values():
            for code, texts in system.translations.items():
                self.translations.setdefault(code, {}).update(texts)
        public = frozenset(name for name, code in self.inputs.items() if not code.private)
        for system in self._systems.values():
            system.public_inputs = public
            system.followers = tuple(one.name for one in self._systems.values() if system.name in one.after)

    @classmethod
    def from_environment(cls, env: Environment, backoff: Backoff) -> Systems:
        """Make every system from the environment; ConfigurationError for a wrong setting or declaration."""
        made = {kind.name: _made(kind, env, backoff) for kind in system_classes(plugin_modules(env.variables))}
        for system in made.values():
            system.limits = Limits.from_environment(env, prefix_of(system))
            refuse_unmade(system)
            refuse_impossible(system)
        refuse_impossible_order(made)
        systems = cls(made)
        refuse_impossible_examples(systems, systems.inputs)
        return systems

    @property
    def mailer(self) -> System | None:
        """The system that writes mails which are no effects of orders: the first configured one that can; else None."""
        return next((one for one in self._systems.values() if one.configured and one.can("write")), None)

    def title_of(self, name: str) -> str:
        """Return what staff and customers call a system: its title, or its name if this process doesn't know it."""
        return self._systems[name].title if name in self._systems else name

    def text(self, text: str, spoken: Language) -> str:
        """Return what a system declares for customers in a language, by our translations or by its own."""
        told = spoken.gettext(text)
        return told if told != text else self.translations.get(spoken.code, {}).get(text, text)

    def offered_inputs(self) -> list[Code]:
        """Return the inputs that customers can use: those of configured systems, in their order."""
        return [code for system in self._systems.values() if system.configured for code in system.inputs]

    def having(self, part: Part) -> list[System]:
        """Return the configured systems that have this part, in their declared order."""
        return [system for system in self._systems.values() if system.part is part and system.configured]

    def __getitem__(self, name: str) -> System:
        """Return a system. Raises SystemUnknown, because rows may name a system that this process doesn't have."""
        try:
            return self._systems[name]
        except KeyError:
            raise SystemUnknown(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._systems)

    def __len__(self) -> int:
        return len(self._systems)
