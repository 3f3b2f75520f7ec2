"""Tallies: what pages and alerts ask."""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").replace("%", "%%"))


def downgrade() -> None:
    op.execute("DROP TABLE outbox.minute, outbox.coverage, outbox.circuit, outbox.alert")
