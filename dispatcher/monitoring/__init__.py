"""What the database says about the state of delivery: status, gauges, alerts, match quality, reports."""
