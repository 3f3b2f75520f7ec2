"""What a process emits: counts, logs, traces, Prometheus metrics."""
