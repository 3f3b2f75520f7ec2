-- The events with ids above :after up to :upto whose person has an e-mail address with one of these digests. There is no
-- index for it: one on outbox.event would cost every writer, a separate table every event, and would be one more place that
-- holds personal data. Reading a million events takes about two seconds. Relies on event_pkey.
SELECT id, occurred_at, account_id, handl_id, lead_id, sealed, public
FROM outbox.event
WHERE id > %(after)s AND id <= %(upto)s
  AND (strpos(sealed -> 'meta' ->> 'em', %(for_meta)s) > 0
       OR strpos(sealed -> 'google' ->> 'sha256_email_address', %(for_google)s) > 0)
