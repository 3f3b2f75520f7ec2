"""The spine: funnel, logs, queues, leases, and the functions that write them."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").replace("%", "%%"))


def downgrade() -> None:
    op.execute(
        """
        DROP TABLE outbox.receipt, outbox.attempt, outbox.revision, outbox.lease, outbox.delivery, outbox.intake,
                   outbox.raw, outbox.event, outbox.mapping, outbox.destination, outbox.step CASCADE;
        DROP FUNCTION outbox.event_recorded, outbox.record_many, outbox.record, outbox.clock;
        """
    )
