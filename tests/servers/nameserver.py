"""A real DNS server (rbldnsd) with a blocklist and DKIM keys, and a lying one of our own."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.rrset

from tests.servers.running import START_TIMEOUT_S, free_port, needs, private_folder

ZONE = "ips.backscatterer.org"


@contextmanager
def rbldnsd(listed: Sequence[str], texts: Mapping[str, str], *, test_entry: bool = True) -> Iterator[int]:
    """Yield the port of a server on 127.0.0.1 that lists these IPv4 addresses and holds these TXT records."""
    needs("rbldnsd")
    with private_folder("rbldnsd") as folder:
        entries = [*listed, *(["127.0.0.2"] if test_entry else [])]
        _write(folder / "list", [":127.0.0.2:listed", *entries])
        _write(folder / "keys", [f'{name} TXT "{text}"' for name, text in texts.items()])
        port = free_port()
        command = [
            *("rbldnsd", "-n", "-f", "-b", f"127.0.0.1/{port}", "-w", str(folder)),
            *(("-u", "nobody") if os.geteuid() == 0 else ()),
            f"{ZONE}:ip4set:list",
            "org:generic:keys",
        ]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait_for(port, folder / "log")
            yield port
        finally:
            process.terminate()
            process.wait(60)


def _write(file: Path, lines: Sequence[str]) -> None:
    file.write_text("\n".join(lines) + "\n")
    file.chmod(0o644)


def _wait_for(port: int, log: Path) -> None:
    query = dns.message.make_query(f"2.0.0.127.{ZONE}", "A").to_wire()
    give_up = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < give_up:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.5)
            try:
                sock.sendto(query, ("127.0.0.1", port))
                sock.recv(4096)
                return
            except OSError:
                time.sleep(0.02)
    raise AssertionError(f"rbldnsd does not answer: {log.read_text()[-500:]}")


Lie = Callable[[dns.message.Message], dns.message.Message | bytes | None]


@contextmanager
def lying_nameserver(lie: Lie) -> Iterator[tuple[int, list[str]]]:
    """Yield the port of a server that answers each question with `lie`, and the names that it was asked for."""
    asked: list[str] = []
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                wire, client = sock.recvfrom(4096)
            except OSError:
                return
            if not wire:
                return
            query = dns.message.from_wire(wire)
            asked.append(query.question[0].name.to_text(omit_final_dot=True))
            answer = lie(query)
            if answer is not None:
                sock.sendto(answer if isinstance(answer, bytes) else answer.to_wire(max_size=65535), client)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield sock.getsockname()[1], asked
    finally:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)  # wakes the thread
        thread.join(1)
        sock.close()


def answering(*records: str, kind: str = "A") -> Lie:
    """Return the lie that every name has these records."""

    def lie(query: dns.message.Message) -> dns.message.Message:
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA
        if query.question[0].rdtype.name == kind:
            answer.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", kind, *records))
        return answer

    return lie


def failing(code: int) -> Lie:
    """Return the lie that answers every question with this RCODE."""

    def lie(query: dns.message.Message) -> dns.message.Message:
        answer = dns.message.make_response(query)
        answer.set_rcode(dns.rcode.Rcode(code))
        return answer

    return lie


Zone = Mapping[str, Mapping[str, Sequence[str]]]  # by lower-cased name and by type: records as in a zone file
Reply = Callable[[dns.message.Message, dns.message.Message], dns.message.Message | bytes | None]


@contextmanager
def nameserver(
    zone: Zone, reply: Reply | None = None, *, tcp: bool = True
) -> Iterator[tuple[int, list[tuple[str, str]]]]:
    """Yield the port of a resolver that knows these records, and the questions that it was asked, as (name, type).

    It answers by UDP in 512 bytes, truncated where that is too little, and by TCP in full. `reply` may change each
    answer, given the question; None is no answer at all.
    """
    asked: list[tuple[str, str]] = []
    udp, listening = _one_port_for_both()
    port = udp.getsockname()[1]

    def wire_for(wire: bytes, most: int) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        if most == 512:
            asked.append((question.name.to_text(omit_final_dot=True).lower(), question.rdtype.name))
        answer = _from_zone(zone, query)
        changed = reply(query, answer) if reply else answer
        if changed is None or isinstance(changed, bytes):
            return changed
        try:
            return changed.to_wire(max_size=most)
        except dns.exception.TooBig:
            changed.answer.clear()
            changed.flags |= dns.flags.TC
            return changed.to_wire(max_size=most)

    def serve_udp() -> None:
        while True:
            try:
                wire, client = udp.recvfrom(4096)
                if not wire:
                    return
                answer = wire_for(wire, 512)
                if answer is not None:
                    udp.sendto(answer, client)
            except OSError:
                return

    def serve_tcp() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                length = int.from_bytes(connection.recv(2), "big")
                answer = wire_for(connection.recv(length), 65_535)
                if answer is not None:
                    connection.sendall(len(answer).to_bytes(2, "big") + answer)

    serving = [threading.Thread(target=serve_udp, daemon=True)]
    if tcp:
        listening.listen()
        serving.append(threading.Thread(target=serve_tcp, daemon=True))
    for thread in serving:
        thread.start()
    try:
        yield port, asked
    finally:
        for sock in (udp, listening):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in serving:
            thread.join(1)
        for sock in (udp, listening):
            sock.close()


def _one_port_for_both() -> tuple[socket.socket, socket.socket]:
    """Return a UDP and a TCP socket on the same free port of 127.0.0.1."""
    for _ in range(50):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        udp.bind(("127.0.0.1", 0))
        try:
            tcp.bind(udp.getsockname())
        except OSError:  # another program has it for TCP
            udp.close()
            tcp.close()
            continue
        return udp, tcp
    raise AssertionError("no port is free for both UDP and TCP")


def _from_zone(zone: Zone, query: dns.message.Message) -> dns.message.Message:
    """Return the answer of a resolver: aliases followed, NXDOMAIN for a name that has no records at all."""
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.RA
    name, kind = query.question[0].name, query.question[0].rdtype.name
    for _ in range(10):
        records = zone.get(name.to_text(omit_final_dot=True).lower())
        if records is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
            return answer
        if "CNAME" not in records or kind == "CNAME":
            break
        alias = dns.rrset.from_text(name, 60, "IN", "CNAME", *records["CNAME"])
        answer.answer.append(alias)
        name = alias[0].target  # type: ignore[attr-defined]
    if records and kind in records:
        texts = [_quoted(text) if kind == "TXT" else text for text in records[kind]]
        answer.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *texts))
    return answer


def _quoted(text: str) -> str:
    """Return a text as a zone file has it, in strings of at most 255 characters."""
    return " ".join(f'"{text[at : at + 255]}"' for at in range(0, max(len(text), 1), 255))
