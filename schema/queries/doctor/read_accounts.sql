-- What the accounts of the newest :limit events look like: how many there are, are e-mail addresses, phone numbers, short serial
-- numbers, and how many differ from another only in case. Relies on event_pkey.
SELECT count(*) AS accounts,
       count(*) FILTER (WHERE account_id LIKE '%%@%%') AS addresses,
       count(*) FILTER (WHERE account_id ~ '^([+]|00)[0-9 ()./-]{7,20}$') AS phones,
       count(*) FILTER (WHERE account_id ~ '^[0-9]{1,6}$') AS serials,
       count(*) - count(DISTINCT lower(account_id)) AS cases
FROM (
    SELECT DISTINCT account_id
    FROM (SELECT account_id FROM outbox.event ORDER BY id DESC LIMIT %(limit)s) AS newest
    WHERE account_id IS NOT NULL
) AS accounts
