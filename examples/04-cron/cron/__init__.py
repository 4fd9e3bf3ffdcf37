"""A Chronos-like scheduler in small: repeating jobs, and jobs that wait for their parents. See README.md."""
