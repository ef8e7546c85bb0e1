"""Keyed hashes: what stands in the memory for ids, addresses and subjects.

64 bits suffice: what is found by a hash is fetched from the server again and compared in clear text.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b

from cleanup.detector.addresses import address_key, untagged_key
from cleanup.detector.message_ids import id_key, right_side
from cleanup.detector.sent import THREAD_CHARACTERS
from cleanup.detector.subjects import subject_key
from cleanup.model import SentMessage


class Keys:
    """Hashes with the secret of one ledger; those of two ledgers cannot be compared."""

    def __init__(self, secret: str) -> None:
        self._begun = blake2b(digest_size=8, key=bytes.fromhex(secret))  # each hash goes on from a copy of it
        self._known = lru_cache(maxsize=4_096)(self.of)  # people and hosts come again and again

    def of(self, kind: str, text: str) -> int:
        """Return the hash of a text among its kind, as a signed 64-bit number."""
        hashed = self._begun.copy()
        hashed.update(f"{kind}:{text}".encode("utf-8", "surrogatepass"))
        return int.from_bytes(hashed.digest(), "big", signed=True)

    def message_id(self, message_id: str) -> int:
        """Return the hash of a message's id, whatever form it is written in."""
        return self.of("id", id_key(message_id))

    def right_side(self, message_id: str) -> int:
        """Return the hash of what stands after the @ of an id."""
        return self._known("right", right_side(message_id))

    def recipient(self, address: str) -> int:
        """Return the hash of somebody who was written to, without tags."""
        return self._known("recipient", untagged_key(address))

    def sender(self, address: str) -> int:
        """Return the hash of somebody who wrote."""
        return self.address(address_key(address))

    def address(self, key: str) -> int:
        """Return the hash of an address in its compared form."""
        return self._known("address", key)

    def of_sent(self, message: SentMessage) -> Iterator[int]:
        """Yield everything by which a sent message can be asked for: ids, recipients, subject, conversation."""
        yield from (self.message_id(one) for one in (message.message_id, *message.other_ids) if one)
        yield from (self.recipient(one) for one in message.recipients)
        subject = subject_key(message.subject or "")
        if subject:
            yield self.of("subject", subject)
        if message.thread_index and len(message.thread_index) >= THREAD_CHARACTERS:
            yield self.of("thread", message.thread_index[:THREAD_CHARACTERS])
