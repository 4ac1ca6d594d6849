"""What the pages may load: nothing but what the studio itself serves."""

from __future__ import annotations

from collections.abc import Iterable


def policy(frames: Iterable[str] = ()) -> str:
    """The Content-Security-Policy of a page.  frames: origins beside our own that may stand in a frame of it."""
    framed = " ".join(("'self'", *frames))
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob: mediastream:; "
        f"connect-src 'self'; frame-src {framed}; frame-ancestors 'self'; base-uri 'none'; form-action 'self'"
    )


__all__ = ["policy"]
