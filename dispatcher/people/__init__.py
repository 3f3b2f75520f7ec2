"""Look up, show and erase one person."""
