"""Whole mailboxes with the truth, from a seed: what an owner sent, what came back, and what strangers forged."""
