-- The digest under which a key is remembered when its events are gone.
CREATE FUNCTION outbox.key_digest(kind smallint, key text) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT sha256(convert_to(kind || ' ' || key, 'UTF8'))
$$;
