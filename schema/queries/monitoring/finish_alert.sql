-- Records that an alert or its all clear was sent: a raised alert stays until it has passed, a passed one is deleted.
-- Relies on alert_pkey.
WITH ended AS (
    DELETE FROM outbox.alert WHERE kind = %(kind)s AND subject = %(subject)s AND passed_at = %(passed_at)s
)
UPDATE outbox.alert SET due_at = NULL
WHERE kind = %(kind)s AND subject = %(subject)s AND passed_at IS NULL AND %(passed_at)s::timestamptz IS NULL
