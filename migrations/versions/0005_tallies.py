"""Tallies: what pages and alerts ask; and cheaper checks of what is recorded."""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _run(".sql")


def downgrade() -> None:
    op.execute("DROP INDEX outbox.receipt_dead")
    op.execute("DROP TABLE outbox.minute, outbox.coverage, outbox.circuit, outbox.alert")
    _run(".down.sql")


def _run(suffix: str) -> None:
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(suffix).read_text(encoding="utf-8").replace("%", "%%"))
