-- What a receipt says was sent as an array, as it was.

LOCK TABLE outbox.lease IN EXCLUSIVE MODE;
ALTER TABLE outbox.receipt ALTER COLUMN sent TYPE text[] USING string_to_array(sent, ' ');

COMMENT ON TABLE outbox.receipt IS 'The end of a delivery; sent: the names of the fields, with a short digest of each identifier (name:digest)';
