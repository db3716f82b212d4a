"""Clients of a stream: `Client` in Python, and `browser.js`, the ES module for web pages."""

from .client import Client

__all__ = ["Client"]
