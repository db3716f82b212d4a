"""Ears."""
