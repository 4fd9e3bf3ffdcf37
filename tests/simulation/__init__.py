"""Simulation by seed."""
