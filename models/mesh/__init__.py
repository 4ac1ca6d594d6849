"""The built-in swap engine: no weights but the face mesh."""
