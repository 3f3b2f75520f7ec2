"""The first release.

Revision ID: 0001_initial
Revises:
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0001_initial"
down_revision = None


def upgrade() -> None:
    """Create everything in an empty schema."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").replace("%", "%%"))
