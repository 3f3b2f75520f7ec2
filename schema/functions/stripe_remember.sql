-- Remembers what was observed in one of Stripe's events and returns the state that is known then; outbox/stripe/state.py
-- describes both JSON objects, Observed and State. All is done under the lock of the payment's row, so that a step is
-- counted once however many sessions deliver it at a time. Once all events have arrived, the state is the same, in
-- whatever order they arrived:
--   free period   the latest statement about a period counts, by the time that Stripe gives it
--   an invoice    is judged by the free periods that were known when it first arrived: it never counts under two names
--   a payment     belongs to the invoice that names it; but only to itself if Checkout took it without an invoice
--   a refund      counts as far as no earlier step covered the same amount
--
-- SECURITY DEFINER: like outbox.record, so that a CRM needs nothing but EXECUTE.
CREATE FUNCTION outbox.stripe_remember(observed jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at CONSTANT timestamptz := to_timestamp((observed ->> 'at')::bigint);
    step CONSTANT jsonb := observed -> 'step';
    covers int8multirange;
    name text;
    payment outbox.stripe_payment;
    order_found text;
    added bigint := 0;
    released jsonb := '[]';
    free jsonb;
BEGIN
    INSERT INTO outbox.stripe_free AS stored (subscription, starts_at, ends_at, received_at, opens, customer)
    SELECT observed ->> 'subscription', (period ->> 0)::bigint, (period ->> 1)::bigint, at, (period ->> 2)::boolean,
           observed ->> 'customer'
    FROM jsonb_array_elements(observed -> 'free') AS period
    ON CONFLICT (subscription, starts_at) DO UPDATE
    SET ends_at = CASE WHEN (excluded.received_at, excluded.ends_at) > (stored.received_at, stored.ends_at)
                       THEN excluded.ends_at ELSE stored.ends_at END,
        received_at = greatest(excluded.received_at, stored.received_at),
        opens = excluded.opens OR stored.opens
    WHERE (excluded.received_at, excluded.ends_at) > (stored.received_at, stored.ends_at)
       OR excluded.opens > stored.opens;

    SELECT jsonb_agg(jsonb_build_array(starts_at, ends_at, opens)) INTO free
    FROM outbox.stripe_free WHERE subscription = observed ->> 'subscription';
    free := coalesce(free, '[]');
    IF observed ? 'subscription' AND observed ? 'order_id' THEN
        INSERT INTO outbox.stripe_invoice (invoice, received_at, free, customer)
        VALUES (observed ->> 'order_id', at, free, observed ->> 'customer')
        ON CONFLICT (invoice) DO NOTHING;
        SELECT judged.free INTO free FROM outbox.stripe_invoice AS judged WHERE invoice = observed ->> 'order_id';
    END IF;

    FOR name IN SELECT value FROM jsonb_array_elements_text(observed -> 'payments') ORDER BY value LOOP
        INSERT INTO outbox.stripe_payment AS stored (payment, received_at, order_id, customer)
        VALUES (name, at, observed ->> 'order_id', observed ->> 'customer')
        ON CONFLICT ON CONSTRAINT stripe_payment_pkey DO UPDATE
        SET received_at = greatest(excluded.received_at, stored.received_at),
            order_id = CASE WHEN excluded.order_id = stored.payment THEN excluded.order_id
                            ELSE coalesce(stored.order_id, excluded.order_id) END,
            customer = coalesce(stored.customer, excluded.customer)
        RETURNING * INTO payment;
        order_found := payment.order_id;
        IF step IS NOT NULL THEN
            order_found := coalesce(order_found, step ->> 'order_id');
            covers := int8multirange(int8range((step ->> 'before')::bigint, (step ->> 'after')::bigint));
            SELECT coalesce(sum(upper(part) - lower(part)), 0) INTO added
            FROM unnest(covers - payment.refunded) AS part;
            payment.refunded := payment.refunded + covers;
            IF order_found IS NULL AND added > 0 THEN
                payment.waiting := payment.waiting || (step -> 'refund' || jsonb_build_object('amount', added));
            END IF;
        ELSE
            released := released || payment.waiting;
            payment.waiting := '[]';
        END IF;
        UPDATE outbox.stripe_payment AS stored SET refunded = payment.refunded, waiting = payment.waiting
        WHERE stored.payment = name
          AND (stored.refunded, stored.waiting) IS DISTINCT FROM (payment.refunded, payment.waiting);
    END LOOP;

    RETURN jsonb_build_object('free', free, 'order_id', order_found, 'added', added, 'released', released);
END
$$;
