"""The table of weights: whole, free of contradictions, and what its page says."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from models import weights
from models.families.signature import Kind, known
from models.families.sources import Embedding
from models.families.swappers import FAMILIES
from models.weights import ROLES, TABLE, Weights

_PAGE = Path(__file__).resolve().parents[1] / "docs" / "models.md"


def test_every_family_that_there_is_code_for_has_weights_and_the_other_way_round() -> None:
    assert {Kind(row.role, row.family) for row in TABLE} == set(known())
    assert {row.role for row in TABLE} == set(ROLES)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_rows_are_whole(row: Weights) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9._]*", row.name)
    for url in row.urls:
        place = urlsplit(url)
        assert place.scheme == "https"
        assert place.hostname in ("github.com", "huggingface.co", "media.githubusercontent.com", "raw.githubusercontent.com")
        assert place.path.endswith(".onnx")
    for sha256 in row.hashes:
        assert re.fullmatch(r"[0-9a-f]{64}", sha256)
        # Invented ones look like this: a count up or down, or a few letters over and over.
        assert len(set(sha256)) >= 12
    assert row.size is None or 100_000 < row.size < 2**31
    assert row.note
    assert "\n" not in row.note
    # Where nobody says the licence, nobody can say what it allows.
    assert row.licence != "unknown" or row.commercial == "unknown"
    assert row.commercial != "yes" or row.licence in ("MIT", "Apache-2.0", "GPL-3.0")


def test_names_files_and_hashes_are_one_row_s_each() -> None:
    plain = [re.sub(r"[^a-z0-9]", "", row.name.lower()) for row in TABLE]
    assert len(set(plain)) == len(TABLE)
    files = [file.lower() for row in TABLE for file in row.files]
    assert len(set(files)) == len(files)
    hashes = [sha256 for row in TABLE for sha256 in row.hashes]
    assert len(set(hashes)) == len(hashes)


def test_names_are_found_however_their_words_are_joined() -> None:
    assert weights.find("bisenet-resnet34") == weights.find("BiSeNet_ResNet_34") == next(r for r in TABLE if r.name == "bisenet_resnet_34")
    assert weights.find("inswapper") is None
    assert weights.near("inswaper_128")[0] == "inswapper_128"
    assert weights.near("annas_face", ("anna_face",))[0] == "anna_face"
    assert weights.near("qqqqq") == []


def test_swappers_need_what_their_family_needs() -> None:
    families = {family.name: family.source for family in FAMILIES}
    for row in TABLE:
        source = families.get(row.family) if row.role == "swapper" else None
        wanted = {"arcface_w600k_r50"} | ({source.converter} - {None}) if isinstance(source, Embedding) else set()
        assert set(row.needs) == wanted, row.name
        assert all(weights.find(name) for name in row.needs)


def test_no_more_is_known_than_is_said() -> None:
    """Hashes that nobody is known to have said for certain are empty; whoever fills one writes where it comes from in the commit."""
    empty = {row.name for row in TABLE if not row.sha256}
    assert {"ghost_1_256", "crossface_ghost", "simswap_256", "blendswap_256", "dfm"} <= empty
    assert len(TABLE) - len(empty) >= 38


def test_small_models_are_what_the_table_says(shared: Path) -> None:
    from models.shelf.store import hashed

    path = shared / "models" / "version-RFB-320.onnx"
    assert weights.by_hash(hashed(path)) == weights.find("rfb_320")
    assert path.stat().st_size == weights.find("rfb_320").size  # type: ignore[union-attr]
    assert weights.by_hash("0" * 64) is None


def test_the_page_says_what_the_table_says() -> None:
    page = _PAGE.read_text(encoding="utf-8")
    lines = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    said = {cells[0].strip("`"): cells[1:] for cells in lines}
    assert list(said) == [row.name for row in TABLE]
    for row in TABLE:
        size = f"{row.size / 1e6:.{0 if row.size > 1e7 else 1}f} MB" if row.size else "?"
        checked = "yes" if row.sha256 else "bring it" if not row.urls else "asked"
        assert said[row.name] == [row.role, size, row.licence, row.commercial, checked, row.note], row.name
