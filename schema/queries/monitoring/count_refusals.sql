-- Counts by origin, of the last :most events, those recorded since :since that refuse consent: they deny a signal, or state
-- none that is known. `form`: a public form; `request`: with a visitor's request; `crm`: the rest. Relies on event_pkey: it
-- reads :most rows and no more.
SELECT count(*) FILTER (WHERE public) AS form,
       count(*) FILTER (WHERE NOT public AND visitor IS NOT NULL) AS request,
       count(*) FILTER (WHERE NOT public AND visitor IS NULL) AS crm
FROM (
    SELECT recorded_at, public, visitor, consent FROM outbox.event ORDER BY id DESC LIMIT %(most)s
) AS newest
WHERE recorded_at >= %(since)s AND jsonb_typeof(consent) = 'object' AND (
    NOT consent ?| ARRAY['ad_user_data', 'ad_storage', 'analytics_storage', 'ad_personalization']
    OR EXISTS (SELECT FROM jsonb_each(consent) AS signal (name, stated) WHERE stated = '"denied"'))
