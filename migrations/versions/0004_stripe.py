"""Stripe: what one event must know of those before it."""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").replace("%", "%%"))


def downgrade() -> None:
    op.execute(
        """
        DROP FUNCTION outbox.stripe_remember;
        DROP TABLE outbox.stripe_free, outbox.stripe_invoice, outbox.stripe_payment;
        """
    )
