"""The forms that the catalog has had, oldest first; a released one is never edited."""
