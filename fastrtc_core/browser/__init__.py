"""The client for web pages: ES modules without a build step, and the routes that serve them.

Nothing else in this package reads the JavaScript files in this folder.
"""

from .files import modules, read_modules, version
from .routes import add_routes

__all__ = ["add_routes", "modules", "read_modules", "version"]
