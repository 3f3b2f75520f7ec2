"""The kinds of destination: how they are found, and what the configuration knows of each.

A kind is a package with a module `kind`, and in that `KIND`, a `dispatcher.destinations.kind.DestinationKind`. Found are

- ours: each package in `dispatcher/destinations/` that has a `kind.py`;
- other people's: each package that an installed distribution names as an entry point,

      [project.entry-points."conversion_outbox.destinations"]
      toy = "toy_kind"

The module is light: it imports what sends only when something is sent, so that every command may know all kinds.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar

from dispatcher.config.variables import ConfigError, KindSettings, declared

GROUP = "conversion_outbox.destinations"
HOME = Path(__file__).parents[1] / "destinations"


class KindConfig:
    """What the configuration knows of a kind: the first part of a `DestinationKind`.

    `name`: its name in `outbox.toml`. `label`: what people call it. `settings`: its settings class; of these, `id`, `secret`
    and `base_url` name the account there, its token, and the address. `routes`: step → its event name, for a destination
    that is named like the kind. `is_default`: whether there is such a destination without a file. `position`: where it
    stands in lists; the lowest comes first, and equal ones by name.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    settings: ClassVar[type[KindSettings]]
    id: ClassVar[str]
    secret: ClassVar[str]
    base_url: ClassVar[str] = "base_url"
    routes: ClassVar[Mapping[str, str]] = {}
    is_default: ClassVar[bool] = False
    position: ClassVar[int] = 100

    def event_name_problem(self, name: str) -> str | None:  # noqa: ARG002
        """Return what is wrong with `name` as the name of an event there, or None."""
        return None

    def parameter_name_problem(self, name: str) -> str | None:  # noqa: ARG002
        """Return what is wrong with `name` as the name of a parameter there, or None."""
        return None

    def metadata(self, setting: str) -> Mapping[str, Any]:
        """Return what is declared for a setting."""
        return next(each.metadata for each in declared(self.settings) if each.name == setting)

    def variable(self, setting: str) -> str:
        """Return the environment variable of a setting."""
        return str(self.metadata(setting)["variable"])


@cache
def kinds() -> Mapping[str, Any]:
    """Return all kinds by name, in their order; each is a `KIND`. Raise `ConfigError` if one cannot be loaded."""
    packages = [f"dispatcher.destinations.{path.parent.name}" for path in HOME.glob("*/kind.py")]
    packages += [point.value for point in entry_points(group=GROUP)]
    found = {package: _load(package) for package in packages}
    by_name = {kind.name: kind for kind in sorted(found.values(), key=lambda kind: (kind.position, kind.name))}
    if len(by_name) < len(found):
        raise ConfigError(f"two packages have the same kind of destination: {', '.join(found)}; remove one")
    return by_name


def _load(package: str) -> KindConfig:
    try:
        kind: KindConfig = import_module(f"{package}.kind").KIND
    except Exception as error:
        raise ConfigError(
            f"the kind of destination in the package {package} cannot be loaded ({type(error).__name__}); "
            "update or remove that package"
        ) from error
    return kind


def parameter_problem(name: str) -> str | None:
    """Return what is wrong with `name` as the name of a parameter, or None. The rules of all kinds apply everywhere."""
    problems = (kind.parameter_name_problem(name) for kind in kinds().values())
    return next((problem for problem in problems if problem), None)
