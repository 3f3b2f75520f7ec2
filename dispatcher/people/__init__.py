"""Looking up, showing and erasing one person."""
