"""Short names for long ids: ``S0`` for an agent, ``O3`` for an offer, in the order in which they are first seen."""

from __future__ import annotations


class Names:
    """Gives each long id a short name, the same whenever it is asked."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}

    def of(self, letter: str, identifier: str) -> str:
        """Returns the name: the letter and a number."""
        name = self._names.get((letter, identifier))
        if name is None:
            number = self._counts.get(letter, 0)
            self._counts[letter] = number + 1
            name = self._names[letter, identifier] = f"{letter}{number}"
        return name

    def offer(self, identifier: str) -> str:
        return self.of("O", identifier)

    def agent(self, identifier: str) -> str:
        return self.of("S", identifier)
