-- The events that are folded and carry one of some keys (kind 1: an account, 2: a handlID, 3: a lead, 4: an e-mail hash, 5: a
-- phone hash), with what their keys are read from; with :anonymous only those without an account.
-- Relies on fragment_key_pkey, fragment_pkey, fragment_event_pkey, event_pkey.
SELECT DISTINCT ON (event.id) event.id, event.occurred_at, event.account_id, event.handl_id, event.lead_id, event.sealed, event.public
FROM unnest(%(kinds)s::smallint[], %(keys)s::text[]) AS given (kind, key)
JOIN outbox.fragment_key ON fragment_key.kind = given.kind AND fragment_key.key = given.key
JOIN outbox.fragment ON fragment.id = fragment_key.fragment_id
JOIN outbox.fragment_event ON fragment_event.fragment_id = fragment.id
JOIN outbox.event ON event.id = fragment_event.event_id
WHERE fragment.account_id = '' OR NOT %(anonymous)s
