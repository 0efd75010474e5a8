"""`python -m benchmarks.understanding`: how well feedback is understood, language by language.

The phrases, and what every figure counts, are in `tests/bot/corpus/`. The figures that count are
those of the part that is held out: whoever works on the parser or its words reads no phrase of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Final

from benchmarks import record
from bot.understanding import understand
from tests.bot.corpus import LANGUAGES, Phrase, blind, building, held_out
from tests.bot.corpus.figures import Figures, figures
from tests.bot.corpus.parsed import verdicts

PARTS: Final[tuple[tuple[str, Callable[[], Sequence[Phrase]]], ...]] = (
    ("building", building),
    ("held_out", held_out),
    ("blind_building", lambda: blind(held_out=False)),
    ("blind_held_out", lambda: blind(held_out=True)),
)


def main() -> None:
    """Print the tables and write `benchmarks/results/understanding.json`."""
    measured: dict[str, Any] = {}
    for name, phrases in PARTS:
        judged = verdicts(phrases())
        rows = {
            code: figures([one for one in judged if one.phrase.language == code])
            for code in LANGUAGES
            if any(one.phrase.language == code for one in judged)
        }
        rows["all"] = figures(judged)
        _print_table(name, rows)
        measured[name] = {code: _recorded(row) for code, row in rows.items()}
    measured["text"] = asdict(_speed(building()))
    path = record.write("understanding", measured)
    print(f"\n{path}")


def _print_table(name: str, rows: dict[str, Figures]) -> None:
    print(f"\n{name}\nlanguage  phrases  as meant  not meant  recorded as meant  asked needlessly")
    for code, row in rows.items():
        recorded = f"{row.recorded_as_meant} of {row.to_record}"
        asked = f"{row.asked_needlessly} of {row.not_feedback}"
        print(
            f"{code:8}  {row.phrases:7}  {row.parsed_as_meant_share:8.1%}"
            f"  {row.recorded_not_meant_share:9.2%}  {recorded:>17}  {asked:>16}"
        )


def _recorded(row: Figures) -> dict[str, Any]:
    shares = {
        "parsed_as_meant_share": round(row.parsed_as_meant_share, 4),
        "recorded_not_meant_share": round(row.recorded_not_meant_share, 4),
    }
    return asdict(row) | shares


def _speed(phrases: Sequence[Phrase]) -> record.Timing:
    """Time of one text of the part to build with, all of them once, milliseconds."""
    texts = iter([phrases[0].text] * 3 + [one.text for one in phrases])
    return record.timed(lambda: understand(next(texts), 1), runs=len(phrases))


if __name__ == "__main__":
    main()
