"""Faces in a photo, each with a blend of seven emotions."""
