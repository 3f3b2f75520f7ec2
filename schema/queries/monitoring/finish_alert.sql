-- Somebody was told: an alert stays until it has passed; one that somebody was told to be over is done with.
-- Relies on alert_pkey.
WITH over AS (
    DELETE FROM outbox.alert WHERE kind = %(kind)s AND subject = %(subject)s AND passed_at = %(passed_at)s
)
UPDATE outbox.alert SET due_at = NULL
WHERE kind = %(kind)s AND subject = %(subject)s AND passed_at IS NULL AND %(passed_at)s::timestamptz IS NULL
