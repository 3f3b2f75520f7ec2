-- Takes note of what has passed: of :known kinds, all but what holds (:kinds, :subjects). What was told is now to be
-- told to be over; of what nobody was told of, or is of the :quiet kinds or of a destination that was :switched_off (it
-- has not caught up), nothing needs to be said. alert holds a few rows, and is looked through.
WITH passed AS MATERIALIZED (
    SELECT kind, subject,
           due_at IS NULL AND kind <> ALL (%(quiet)s::text[]) AND subject <> ALL (%(switched_off)s::text[]) AS to_tell
    FROM outbox.alert
    WHERE kind = ANY (%(known)s::text[]) AND passed_at IS NULL
      AND (kind, subject) NOT IN (SELECT * FROM unnest(%(kinds)s::text[], %(subjects)s::text[]))
), forgotten AS (
    DELETE FROM outbox.alert USING passed
    WHERE alert.kind = passed.kind AND alert.subject = passed.subject AND NOT passed.to_tell
)
UPDATE outbox.alert SET passed_at = outbox.clock(), due_at = outbox.clock()
FROM passed
WHERE alert.kind = passed.kind AND alert.subject = passed.subject AND passed.to_tell AND alert.passed_at IS NULL
