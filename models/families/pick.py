"""Which family a network belongs to, by its ports or by what the user says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from models.families.ports import shown
from models.network import NetworkError, Port

Row = TypeVar("Row", bound=Any)


def pick(families: Sequence[Row], inputs: Sequence[Port], outputs: Sequence[Port], name: str | None = None) -> Row:
    """The family of a network, where `name` says which or its ports leave only one; families that differ in name only are one.

    Raises NetworkError for a name that is unknown or does not fit, for ports that fit no family, and with the choices for
    ports that fit several.
    """
    role, names = families[0].role.replace("landmarks", "landmark network"), ", ".join(dict.fromkeys(family.name for family in families))
    what = f"it takes {shown(inputs)} and gives {shown(outputs)}"
    if name is not None:
        named = [family for family in families if family.name == name]
        if not named:
            raise NetworkError(f"There is no family {name} of {role}s; take one of: {names}.")
        fitting = [family for family in named if family.fits(tuple(inputs), tuple(outputs))]
        if not fitting:
            raise NetworkError(f"The file is no {role} of the family {name}: {what}.")
        return fitting[0]
    fitting = [family for family in families if family.fits(tuple(inputs), tuple(outputs))]
    if not fitting:
        raise NetworkError(f"The file is no {role} that is known ({names}): {what}.")
    if len({replace(family, name="") for family in fitting}) > 1:
        choices = ", ".join(family.name for family in fitting)
        raise NetworkError(f"The file's inputs and outputs are those of several {role}s: say which it is with --family, one of: {choices}.")
    return fitting[0]


__all__ = ["pick"]
