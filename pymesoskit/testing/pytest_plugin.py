"""The pytest plugin: fixtures that give a running cluster."""
