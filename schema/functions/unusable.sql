-- Returns why an object of an event cannot be stored, or NULL. Every program can read what passes here: some JSON parsers
-- fail beyond a thousand levels or the range of a double, and a number such as 1e-16000, stored in a few bytes, is written
-- out in full. || yields the uncompressed value; a stored one may be compressed.
CREATE FUNCTION outbox.unusable(value jsonb) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN jsonb_typeof(value) <> 'object' THEN 'expected a JSON object'
    WHEN pg_column_size(value || '{}') > 65536 AND outbox.size(value) > 65536 THEN 'larger than 64 kB'
    WHEN value @? 'strict $.**{33}' THEN 'nested deeper than 32 levels'
    WHEN value @? 'strict $.** ? (@.type() == "number").abs() ? (@ > 1e300 || (@ < 1e-300 && @ != 0))'
        THEN 'holds a number out of range'
END;
