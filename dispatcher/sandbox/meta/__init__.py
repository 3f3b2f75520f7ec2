"""Meta's side of the sandbox."""
