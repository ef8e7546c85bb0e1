"""Moves messages, each step written down first and looked at afterwards, and takes them back."""
