"""Visitors whose browsers are cameras."""
