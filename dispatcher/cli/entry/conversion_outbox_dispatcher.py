"""The start of the command `outbox`: makes sure that the `dispatcher` it runs is its own.

Installed as a module beside `dispatcher`, under the distribution's name, which is nobody else's. Python searches PYTHONPATH
before the installed packages, and a CRM may have a `dispatcher.py` or an `alembic` package of its own there.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec, module_from_spec
from pathlib import Path

PACKAGES = ("outbox", "dispatcher")


def main() -> None:
    """Run the command."""
    search_pythonpath_last()
    from dispatcher.cli import main as run  # noqa: PLC0415 - only now is it certain which `dispatcher` that is

    run()


def search_pythonpath_last() -> None:
    """Search the folders of PYTHONPATH after all others, and not at all for our own packages."""
    added = {Path(folder).resolve() for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep)}
    added.discard(Path(__file__).resolve().parent)  # PYTHONPATH may be how we are found: pip install --target
    last = [folder for folder in sys.path if Path(folder).resolve() in added]
    sys.path[:] = [folder for folder in sys.path if folder not in last]
    # Found while those folders are away, because an editable install is searched after everything in sys.path.
    specs = [find_spec(name) for name in PACKAGES]
    sys.path += last
    for spec in specs:
        if spec and spec.loader:
            sys.modules[spec.name] = module_from_spec(spec)
            spec.loader.exec_module(sys.modules[spec.name])
