"""How kinds of destination are found, and what is said of a package that cannot be used."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from dispatcher.config import ConfigError
from dispatcher.config import kinds as module
from dispatcher.config.kinds import GROUP, KindConfig, kinds
from tests.support.paths import ROOT


def found(monkeypatch, *packages):
    points = [EntryPoint(package, package, GROUP) for package in packages]
    monkeypatch.setattr(module, "entry_points", lambda group: points if group == GROUP else [])
    return kinds.__wrapped__()


def test_ours_are_found_in_their_order():
    assert list(kinds()) == ["meta", "ga4"]


def test_every_package_of_a_kind_is_found():
    folders = {
        path.name for path in (ROOT / "dispatcher" / "destinations").iterdir() if (path / "__init__.py").exists()
    }
    assert folders == set(kinds())


def test_another_distribution_s_comes_after_ours(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tests" / "support" / "toy_kind")
    assert list(found(monkeypatch, "toy_kind")) == ["meta", "ga4", "toy"]


def test_a_package_that_cannot_be_loaded_is_named(monkeypatch):
    with pytest.raises(
        ConfigError, match=r"in the package no_such_kind cannot be loaded \(ModuleNotFoundError\); update"
    ):
        found(monkeypatch, "no_such_kind")


def test_two_packages_of_one_kind_are_named(monkeypatch, tmp_path):
    package = tmp_path / "other_meta"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "kind.py").write_text("from dispatcher.destinations.meta.kind import KIND\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        ConfigError, match=r"two packages have the same kind of destination: .*, other_meta; remove one"
    ):
        found(monkeypatch, "other_meta")


def test_a_kind_accepts_any_name_unless_it_says_otherwise():
    assert KindConfig().event_name_problem("anything at all") is None
    assert KindConfig().parameter_name_problem("anything at all") is None


def test_the_configuration_loads_nothing_that_makes_requests():
    script = (
        "import sys; from dispatcher.config import Config; from dispatcher.config.settings import Settings; "
        "Settings.from_environment({}); Config(); print('aiohttp' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "False\n"
    )
