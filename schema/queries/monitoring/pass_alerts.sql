-- Ends the alerts that have passed: of the :all_kinds, all but those that hold (:kinds, :subjects). An alert that was sent
-- is now due for its all clear. One that was never sent, is of a :quiet kind, or is of a destination that was :switched_off
-- (which has not caught up) is deleted without a message. alert holds a few rows and is scanned.
WITH passed AS MATERIALIZED (
    SELECT kind, subject,
           due_at IS NULL AND kind <> ALL (%(quiet)s::text[]) AND subject <> ALL (%(switched_off)s::text[]) AS needs_all_clear
    FROM outbox.alert
    WHERE kind = ANY (%(all_kinds)s::text[]) AND passed_at IS NULL
      AND (kind, subject) NOT IN (SELECT * FROM unnest(%(kinds)s::text[], %(subjects)s::text[]))
), removed AS (
    DELETE FROM outbox.alert USING passed
    WHERE alert.kind = passed.kind AND alert.subject = passed.subject AND NOT passed.needs_all_clear
)
UPDATE outbox.alert SET passed_at = outbox.clock(), due_at = outbox.clock()
FROM passed
WHERE alert.kind = passed.kind AND alert.subject = passed.subject AND passed.needs_all_clear AND alert.passed_at IS NULL
