-- The events with ids from :after (excluded) to :upto whose person has an e-mail address of one of these digests. There
-- is no index for it: one on outbox.event would cost every writer, one beside it every event, and would be one more
-- place that holds personal data; looking through a million events takes about two seconds. Relies on event_pkey.
SELECT id, occurred_at, account_id, handl_id, lead_id
FROM outbox.event
WHERE id > %(after)s AND id <= %(upto)s
  AND (strpos(sealed -> 'meta' ->> 'em', %(for_meta)s) > 0
       OR strpos(sealed -> 'google' ->> 'sha256_email_address', %(for_google)s) > 0)
