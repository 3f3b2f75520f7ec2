-- How many of the newest :limit events of each step have or lack what matters: counts only, never values.
-- Relies on event_pkey, of which it reads the newest :limit entries.
SELECT name AS step, count(*) AS events,
       count(*) FILTER (WHERE handl_id IS NULL AND lead_id IS NULL AND account_id IS NULL) AS keyless,
       count(*) FILTER (WHERE sealed -> 'meta' ? 'em') AS email,
       count(*) FILTER (WHERE visitor ->> 'user_agent' IS NOT NULL) AS seen,
       count(*) FILTER (WHERE visitor ->> 'fbp' IS NOT NULL) AS fbp,
       count(*) FILTER (WHERE visitor ->> 'ga_client_id' IS NOT NULL) AS client,
       count(*) FILTER (WHERE visitor ->> 'ga_session_id' IS NOT NULL) AS session,
       count(*) FILTER (WHERE visitor ->> 'ip' IS NOT NULL) AS address,
       count(*) FILTER (WHERE visitor ->> 'ip' ~ '^(10\.|127\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|::1$|f[cd])') AS internal,
       count(*) FILTER (WHERE visitor ->> 'user_agent' ~* '^(curl|wget|python|java|okhttp|go-http|node|axios|php|guzzle|ruby|stripe)') AS robot,
       count(*) FILTER (WHERE consent ? 'ad_user_data') AS consented,
       count(*) FILTER (WHERE details ->> 'order_id' IS NULL) AS orderless,
       count(*) FILTER (WHERE recorded_at > occurred_at + interval '1 day') AS late,
       count(*) FILTER (WHERE occurred_at > recorded_at + interval '1 minute') AS early,
       count(*) FILTER (WHERE notes::text LIKE '%%person.phone%%') AS phoneless,
       count(*) FILTER (WHERE notes IS NOT NULL AND notes <> '{erased}') AS noted,
       (SELECT max(many) FROM (SELECT count(*) AS many FROM unnest(array_agg(visitor ->> 'ip')) AS ip
                               WHERE ip IS NOT NULL GROUP BY ip) AS addresses) AS busiest
FROM (SELECT * FROM outbox.event ORDER BY id DESC LIMIT %(limit)s) AS newest
GROUP BY name
