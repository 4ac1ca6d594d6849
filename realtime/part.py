"""Part: a group of settings, frozen and checked, and the ranges that many of them share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Unit = Annotated[float, Field(ge=0.0, le=1.0)]
Corner = Literal["top-left", "top-right", "bottom-left", "bottom-right"]
Name = Annotated[str, Field(min_length=1)]
Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


class Part(BaseModel):
    """A group of settings; unknown keys are refused, values never change in place."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


__all__ = ["Colour", "Corner", "Name", "Part", "Unit"]
