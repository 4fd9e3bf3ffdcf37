"""Tests, by area. Helpers that several areas share are imported from their place: ``from ..transport.stub import
…``."""
