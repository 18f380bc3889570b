"""Writing a job directory."""
