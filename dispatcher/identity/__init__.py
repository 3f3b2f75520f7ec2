"""Who an event is about, and what is known of that person."""
