"""Finds installed fonts for the letters of labels in pictures."""

from __future__ import annotations

import logging
from functools import lru_cache

from matplotlib.font_manager import FontProperties, findfont, fontManager
from matplotlib.ft2font import FT2Font

_LOG = logging.getLogger(__name__)
_DEFAULT = "DejaVu Sans"  # comes with matplotlib


@lru_cache(maxsize=8)
def fonts_for(labels: tuple[str, ...]) -> tuple[list[str], set[str]]:
    """Return fonts that have the letters of labels together, and the letters that none has.

    Warns of these, once for the same labels.
    """
    missing = {letter for letter in "".join(labels) if not letter.isspace()}
    missing -= _letters(findfont(FontProperties([_DEFAULT])))
    families = [_DEFAULT]
    for font in fontManager.ttflist if missing else ():
        # the last resort draws boxes
        if "Last Resort" not in font.name and (new := missing & _letters(font.fname)):
            families.append(font.name)
            missing -= new
    if missing:
        _LOG.warning(
            "no installed font has %s: pictures show such labels by their numbers in the schema; "
            "install a font that has them, such as Noto Sans",
            " ".join(sorted(missing)[:10]),
        )
    return families, missing


@lru_cache(maxsize=512)
def _letters(path: str) -> frozenset[str]:
    return frozenset(map(chr, FT2Font(path).get_charmap()))
