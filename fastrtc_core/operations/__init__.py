"""Running a server: health checks for its orchestrator, metrics for Prometheus."""
