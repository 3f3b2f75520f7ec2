"""Facets: what is known of a person in a fifth of the room."""

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _run(".sql")


def downgrade() -> None:
    _run(".down.sql")


def _run(suffix: str) -> None:
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(suffix).read_text(encoding="utf-8").replace("%", "%%"))
