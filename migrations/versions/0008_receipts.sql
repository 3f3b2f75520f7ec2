-- What a receipt says was sent, as one text: an array of twenty costs a third of settling, and a fifth of the room. The table is
-- written anew: settlements wait meanwhile, writers of events do not. What a dispatcher of before still settles afterwards
-- is kept as the text of its array; such an event is sent once more after a merge, where the destination drops the repeat.

ALTER TABLE outbox.receipt ALTER COLUMN sent TYPE text USING array_to_string(sent, ' ');

COMMENT ON TABLE outbox.receipt IS 'The end of a delivery; sent: the names of the fields, each identifier with a short digest: em:62a14e44 ph:1c0…';
