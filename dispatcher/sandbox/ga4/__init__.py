"""GA4's side of the sandbox."""
