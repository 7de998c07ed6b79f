"""Offline multi-object tracking with a hierarchy of message-passing networks."""

__version__ = "0.1.0"
