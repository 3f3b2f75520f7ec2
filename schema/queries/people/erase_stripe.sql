-- Removes customers from Stripe's tables, and their refunds that wait for an order. What was paid and refunded stays, so
-- that it is not counted again. Reads these tables once. Only under exclude_dispatchers.
WITH payments AS (
    UPDATE outbox.stripe_payment
    SET customer = CASE WHEN customer = ANY (%(leads)s::text[]) THEN NULL ELSE customer END,
        waiting = (SELECT coalesce(jsonb_agg(refund), '[]') FROM jsonb_array_elements(waiting) AS refund
                   WHERE NOT coalesce(refund ->> 'customer' = ANY (%(leads)s::text[])
                                      OR refund ->> 'account_id' = ANY (%(accounts)s::text[]), false))
    WHERE customer = ANY (%(leads)s::text[])
       OR waiting <> '[]' AND EXISTS (
           SELECT FROM jsonb_array_elements(waiting) AS refund
           WHERE refund ->> 'customer' = ANY (%(leads)s::text[]) OR refund ->> 'account_id' = ANY (%(accounts)s::text[]))
), invoices AS (
    UPDATE outbox.stripe_invoice SET customer = NULL WHERE customer = ANY (%(leads)s::text[])
)
UPDATE outbox.stripe_free SET customer = NULL WHERE customer = ANY (%(leads)s::text[])
