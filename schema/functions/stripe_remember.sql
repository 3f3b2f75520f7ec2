-- What one of Stripe's events tells is remembered, and what is known then is given; outbox/stripe/memory.py describes both
-- forms, Told and Memory. All is done under the lock of the payment's row, so that a step is counted once however many
-- deliver it at a time. Once all events have come, the same is known, in whatever order they came:
--   free time     the last word about a period counts, by Stripe's own time of telling it
--   an invoice    is judged by the free time that was known when it came first: it never counts under two names
--   a payment     belongs to the invoice that names it; but to nothing but itself, if Checkout took it without an invoice
--   a refund      counts as far as no step before it covered what it covers
--
-- SECURITY DEFINER: as outbox.record, so that a CRM needs nothing but EXECUTE.
CREATE FUNCTION outbox.stripe_remember(told jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at CONSTANT timestamptz := to_timestamp((told ->> 'at')::bigint);
    step CONSTANT jsonb := told -> 'step';
    covers int8multirange;
    name text;
    payment outbox.stripe_payment;
    belongs text;
    fresh bigint := 0;
    released jsonb := '[]';
    free jsonb;
BEGIN
    INSERT INTO outbox.stripe_free AS known (subscription, starts_at, ends_at, received_at, opens, customer)
    SELECT told ->> 'subscription', (period ->> 0)::bigint, (period ->> 1)::bigint, at, (period ->> 2)::boolean,
           told ->> 'customer'
    FROM jsonb_array_elements(told -> 'free') AS period
    ON CONFLICT (subscription, starts_at) DO UPDATE
    SET ends_at = CASE WHEN (excluded.received_at, excluded.ends_at) > (known.received_at, known.ends_at)
                       THEN excluded.ends_at ELSE known.ends_at END,
        received_at = greatest(excluded.received_at, known.received_at),
        opens = excluded.opens OR known.opens
    WHERE (excluded.received_at, excluded.ends_at) > (known.received_at, known.ends_at) OR excluded.opens > known.opens;

    SELECT jsonb_agg(jsonb_build_array(starts_at, ends_at, opens)) INTO free
    FROM outbox.stripe_free WHERE subscription = told ->> 'subscription';
    free := coalesce(free, '[]');
    IF told ? 'subscription' AND told ? 'order_id' THEN
        INSERT INTO outbox.stripe_invoice (invoice, received_at, free, customer)
        VALUES (told ->> 'order_id', at, free, told ->> 'customer')
        ON CONFLICT (invoice) DO NOTHING;
        SELECT judged.free INTO free FROM outbox.stripe_invoice AS judged WHERE invoice = told ->> 'order_id';
    END IF;

    FOR name IN SELECT value FROM jsonb_array_elements_text(told -> 'payments') ORDER BY value LOOP
        INSERT INTO outbox.stripe_payment AS known (payment, received_at, order_id, customer)
        VALUES (name, at, told ->> 'order_id', told ->> 'customer')
        ON CONFLICT ON CONSTRAINT stripe_payment_pkey DO UPDATE
        SET received_at = greatest(excluded.received_at, known.received_at),
            order_id = CASE WHEN excluded.order_id = known.payment THEN excluded.order_id
                            ELSE coalesce(known.order_id, excluded.order_id) END,
            customer = coalesce(known.customer, excluded.customer)
        RETURNING * INTO payment;
        belongs := payment.order_id;
        IF step IS NOT NULL THEN
            belongs := coalesce(belongs, step ->> 'order_id');
            covers := int8multirange(int8range((step ->> 'before')::bigint, (step ->> 'after')::bigint));
            SELECT coalesce(sum(upper(part) - lower(part)), 0) INTO fresh
            FROM unnest(covers - payment.refunded) AS part;
            payment.refunded := payment.refunded + covers;
            IF belongs IS NULL AND fresh > 0 THEN
                payment.waiting := payment.waiting || (step -> 'refund' || jsonb_build_object('amount', fresh));
            END IF;
        ELSE
            released := released || payment.waiting;
            payment.waiting := '[]';
        END IF;
        UPDATE outbox.stripe_payment AS known SET refunded = payment.refunded, waiting = payment.waiting
        WHERE known.payment = name
          AND (known.refunded, known.waiting) IS DISTINCT FROM (payment.refunded, payment.waiting);
    END LOOP;

    RETURN jsonb_build_object('free', free, 'order_id', belongs, 'added', fresh, 'released', released);
END
$$;
