"""Identity resolution: find the person that an event is about, and what is known of that person."""
