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
    # Without CASCADE: what others have built upon these tables, a view say, is theirs, and PostgreSQL names it.
    op.execute(
        """
        DROP FUNCTION outbox.record_many, outbox.record, outbox.parse_event;
        DROP TABLE outbox.receipt, outbox.attempt, outbox.revision, outbox.lease, outbox.delivery, outbox.intake,
                   outbox.raw, outbox.event, outbox.mapping, outbox.destination, outbox.step;
        DROP FUNCTION outbox.event_notify, outbox.event_recorded, outbox.unusable, outbox.clock;
        """
    )
