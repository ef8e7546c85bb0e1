"""What a generated Inbox is made of: specimens with the truth, and the ways that mail goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from cleanup.model import Verdict
from tests.generator.mail import Report, received
from tests.generator.world import Person, World


@dataclass(frozen=True)
class Specimen:
    """One notice with the truth. `expected` is None where no evidence can decide: then anything but a wrong move."""

    what: str
    truth: Verdict
    expected: Verdict | None
    report: Report

    @property
    def arrived(self) -> datetime:
        """When it came."""
        return self.report.arrived


Maker = Callable[[World], Specimen]


def own_way(world: World, by: str, when: datetime) -> tuple[str, ...]:
    """Received lines of mail that left by the owner's outbound host."""
    home = received(world.rng, world.out_name, "", world.public_address(), when, login=True, helo="[192.168.1.7]")
    return received(world.rng, by, world.out_name, world.out_address, when), home


def through_a_gateway(world: World, person: Person, lines: tuple[str, ...], when: datetime) -> tuple[str, ...]:
    """A third of organisations have another host behind the one that takes mail from outside."""
    if world.rng.random() < 0.67:
        return lines
    inside = received(world.rng, f"store.{person.organisation}", "localhost", "10.1.2.3", when)
    return inside, *lines


def with_internal_name(report: Report, person: Person) -> Report:
    """Exchange reports under a name that exists nowhere outside, and hands over by its edge."""
    handed = f"from {person.mx} ({person.mx} [{person.mx_address}]) by mx.example.org (Postfix) with ESMTPS id 6B; Mon"
    return replace(report, reporter="EXCH07.corp.local", handed_over_by=(handed,))
