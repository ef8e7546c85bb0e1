"""Finds the bounces of mail that a person never sent, files them, says why, and can take everything back."""

__version__ = "0.1.0"
