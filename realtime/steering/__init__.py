"""Steering: loops one after another, changed while they run, with undo and everything that is kept for the next time."""
