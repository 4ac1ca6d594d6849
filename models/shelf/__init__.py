"""The models that users bring: found, pulled, added, checked and listed, by the table in models.weights."""
