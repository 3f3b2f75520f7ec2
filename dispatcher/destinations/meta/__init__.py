"""Meta's Conversions API."""
