-- What one of Stripe's events must know of those before it: which order a payment belongs to, what was refunded of it, and
-- the time with which a subscription began that cost nothing.

CREATE TABLE outbox.stripe_payment (
    told_at TIMESTAMP WITH TIME ZONE NOT NULL,
    payment TEXT NOT NULL,
    order_id TEXT,
    customer TEXT,
    refunded INT8MULTIRANGE DEFAULT '{}'::int8multirange NOT NULL,
    waiting JSONB DEFAULT '[]'::jsonb NOT NULL,
    CONSTRAINT stripe_payment_pkey PRIMARY KEY (payment)
);

COMMENT ON TABLE outbox.stripe_payment IS 'Which order a payment at Stripe belongs to, what was refunded of it in all, and refunds that wait for the order';

CREATE TABLE outbox.stripe_invoice (
    told_at TIMESTAMP WITH TIME ZONE NOT NULL,
    invoice TEXT NOT NULL,
    customer TEXT,
    free JSONB NOT NULL,
    CONSTRAINT stripe_invoice_pkey PRIMARY KEY (invoice)
);

COMMENT ON TABLE outbox.stripe_invoice IS 'The free time of its subscription that was known when an invoice came first: by it the invoice is judged';

CREATE TABLE outbox.stripe_free (
    starts_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    told_at TIMESTAMP WITH TIME ZONE NOT NULL,
    opens BOOLEAN NOT NULL,
    subscription TEXT NOT NULL,
    customer TEXT,
    CONSTRAINT stripe_free_pkey PRIMARY KEY (subscription, starts_at)
);

COMMENT ON TABLE outbox.stripe_free IS 'Time of a subscription at Stripe that cost nothing, in seconds since 1970; opens: it began with that (a trial)';

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
    INSERT INTO outbox.stripe_free AS known (subscription, starts_at, ends_at, told_at, opens, customer)
    SELECT told ->> 'subscription', (period ->> 0)::bigint, (period ->> 1)::bigint, at, (period ->> 2)::boolean,
           told ->> 'customer'
    FROM jsonb_array_elements(told -> 'free') AS period
    ON CONFLICT (subscription, starts_at) DO UPDATE
    SET ends_at = CASE WHEN (excluded.told_at, excluded.ends_at) > (known.told_at, known.ends_at)
                       THEN excluded.ends_at ELSE known.ends_at END,
        told_at = greatest(excluded.told_at, known.told_at),
        opens = excluded.opens OR known.opens
    WHERE (excluded.told_at, excluded.ends_at) > (known.told_at, known.ends_at) OR excluded.opens > known.opens;

    SELECT jsonb_agg(jsonb_build_array(starts_at, ends_at, opens)) INTO free
    FROM outbox.stripe_free WHERE subscription = told ->> 'subscription';
    free := coalesce(free, '[]');
    IF told ? 'subscription' AND told ? 'order_id' THEN
        INSERT INTO outbox.stripe_invoice (invoice, told_at, free, customer)
        VALUES (told ->> 'order_id', at, free, told ->> 'customer')
        ON CONFLICT (invoice) DO NOTHING;
        SELECT judged.free INTO free FROM outbox.stripe_invoice AS judged WHERE invoice = told ->> 'order_id';
    END IF;

    FOR name IN SELECT value FROM jsonb_array_elements_text(told -> 'payments') ORDER BY value LOOP
        INSERT INTO outbox.stripe_payment AS known (payment, told_at, order_id, customer)
        VALUES (name, at, told ->> 'order_id', told ->> 'customer')
        ON CONFLICT ON CONSTRAINT stripe_payment_pkey DO UPDATE
        SET told_at = greatest(excluded.told_at, known.told_at),
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

-- Three roles, for the CRM, the daemon and whoever looks. A role belongs to the whole cluster, so it may be there
-- already, and the migrating user may not be allowed to make one; then the README says what to grant by hand.
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['outbox_recorder', 'outbox_dispatcher', 'outbox_reader'] LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = role);
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role);
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL; -- another migration, at the same moment
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'role % was not created: CREATEROLE is missing; see the README', role;
        END;
    END LOOP;
    REVOKE ALL ON ALL FUNCTIONS IN SCHEMA outbox FROM PUBLIC;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'outbox_recorder') THEN
        GRANT USAGE ON SCHEMA outbox TO outbox_recorder;
        GRANT EXECUTE ON FUNCTION outbox.record(jsonb), outbox.record_many(jsonb), outbox.stripe_remember(jsonb)
            TO outbox_recorder;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'outbox_dispatcher') THEN
        GRANT USAGE ON SCHEMA outbox TO outbox_dispatcher;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA outbox TO outbox_dispatcher;
        GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA outbox TO outbox_dispatcher;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'outbox_reader') THEN
        GRANT USAGE ON SCHEMA outbox TO outbox_reader;
        GRANT SELECT ON ALL TABLES IN SCHEMA outbox TO outbox_reader;
        REVOKE ALL ON outbox.raw FROM outbox_reader;
        GRANT EXECUTE ON FUNCTION outbox.clock() TO outbox_reader;
    END IF;
END
$$;
