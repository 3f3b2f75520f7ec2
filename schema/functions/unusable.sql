-- Why an object of an event cannot be kept, or NULL. What passes here can be read again by every program: some JSON
-- readers give up beyond a thousand levels or beyond the range of a double, and a number such as 1e-16000, short as it
-- is stored, is written out in full. || gives a value as it is, not as it may lie in a table, compressed.
CREATE FUNCTION outbox.unusable(value jsonb) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN jsonb_typeof(value) <> 'object' THEN 'expected a JSON object'
    WHEN pg_column_size(value || '{}') > 65536 THEN 'larger than 64 kB'
    WHEN value @? 'strict $.**{33}' THEN 'nested deeper than 32 levels'
    WHEN value @? 'strict $.** ? (@.type() == "number").abs() ? (@ > 1e300 || (@ < 1e-300 && @ != 0))'
        THEN 'holds a number out of range'
END;
