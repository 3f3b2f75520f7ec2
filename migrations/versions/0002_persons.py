"""Persons: facets, sign-ins and merges."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").replace("%", "%%"))


def downgrade() -> None:
    op.execute(
        """
        DROP TABLE outbox.merge, outbox.sign_in, outbox.facet_event, outbox.facet;
        DROP FUNCTION outbox.newest;
        """
    )
