"""The table and the picture of what the learning runs found. Knows lines of JSON, no networks."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Final

from benchmarks import record

Line = dict[str, Any]

PICTURE: Final = Path(__file__).parent.parent / "docs" / "pictures" / "learning.png"

_T95: Final = (math.nan, 6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833)
"""One-sided 95 % quantiles of Student's t, by degrees of freedom."""

_Z95: Final = 1.6449


def summary(lines: Sequence[Line]) -> dict[str, Any]:
    """What `docs/learning.md` tabulates, of the lines of finished runs."""
    return {
        "honest": _honest([line for line in lines if line["scenario"] == "honest"]),
        "attacked": _attacked(lines),
        "chance": _chance([line for line in lines if line["scenario"] == "chance"]),
        "nights": _nights([line for line in lines if line["scenario"] == "nights"]),
        "without_base": [
            {
                "population": line["population"],
                "seed": line["seed"],
                "refused_for": line["failed"],
                "candidate_gain_points": round(points(line, "unseen", "candidate"), 2),
                "candidate_base_points": round(points(line, "unseen_base", "candidate"), 2),
                "candidate_base_log_loss": round(
                    points(line, "unseen_base", "candidate", "log_loss"), 4
                ),
            }
            for line in lines
            if line["scenario"] == "without_base"
        ],
        "whole_base": _whole_base([line for line in lines if line["scenario"] == "whole_base"]),
        "written": {line["population"]: line["written"] for line in lines if "written" in line},
    }


def points(line: Line, faces: str, who: str = "served", figure: str = "accuracy") -> float:
    """How many points (of accuracy; else units) `who` is above the version at the start."""
    change = float(line[faces][who][figure]) - float(line[faces]["current"][figure])
    return change * (100.0 if figure == "accuracy" else 1.0)


def loss_bound(losses: Sequence[float]) -> float | None:
    """One-sided 95 % upper bound of the mean loss over seeds, by Student's t."""
    if len(losses) < 2:
        return None
    return mean(losses) + _T95[len(losses) - 1] * stdev(losses) / math.sqrt(len(losses))


def face_bound(line: Line) -> float:
    """One-sided 95 % upper bound of one run's loss of base accuracy, points, over its faces."""
    base = line["unseen_base"]
    lost = base["lost"]
    return 100 * float(lost["mean"] + _Z95 * lost["deviation"] / math.sqrt(base["faces"]))


def _honest(lines: Sequence[Line]) -> list[Line]:
    rows = []
    for population, pieces in sorted({(line["population"], line["pieces"]) for line in lines}):
        runs = [x for x in lines if (x["population"], x["pieces"]) == (population, pieces)]
        base = [-points(line, "unseen_base") for line in runs]
        rows.append(
            {
                "population": population,
                "pieces": pieces,
                "seeds": len(runs),
                "accepted": sum(line["passed"] for line in runs),
                "population_faces": runs[0]["unseen"]["faces"],
                "population_before": _mean(line["unseen"]["current"]["accuracy"] for line in runs),
                "population_served": _mean(line["unseen"]["served"]["accuracy"] for line in runs),
                "gain_points": _mean(points(line, "unseen") for line in runs),
                "gain_points_by_seed": [round(points(line, "unseen"), 2) for line in runs],
                "candidate_gain_points": _mean(points(x, "unseen", "candidate") for x in runs),
                "log_loss_change": _mean(points(x, "unseen", "served", "log_loss") for x in runs),
                "base_faces": runs[0]["unseen_base"]["faces"],
                "base_loss_points": _mean(base),
                "base_loss_bound_over_seeds": _rounded(loss_bound(base)),
                "base_loss_bound_over_faces": _mean(face_bound(line) for line in runs),
                "base_log_loss_change": _mean(
                    points(x, "unseen_base", "served", "log_loss") for x in runs
                ),
                "refused_for": sorted({name for line in runs for name in line["failed"]}),
                "cpu_seconds": _mean(line["cpu_seconds"] for line in runs),
            }
        )
    return rows


def _whole_base(lines: Sequence[Line]) -> list[Line]:
    """Where the gate compares all base faces there are, so that none of them is unseen."""
    return [
        {
            "population": population,
            "seeds": len(runs),
            "accepted": sum(line["passed"] for line in runs),
            "gain_points": _mean(points(line, "unseen") for line in runs),
            "refused_for": sorted({name for line in runs for name in line["failed"]}),
        }
        for population in sorted({line["population"] for line in lines})
        for runs in [[line for line in lines if line["population"] == population]]
    ]


def _attacked(lines: Sequence[Line]) -> list[Line]:
    honest = {
        (line["population"], line["pieces"], line["seed"]): line
        for line in lines
        if line["scenario"] == "honest"
    }
    attacked = [line for line in lines if line["scenario"] == "attacked"]
    rows = []
    for manner, trust in sorted({(line["manner"], line["trust"]) for line in attacked}):
        runs = [
            line
            for line in attacked
            if (line["manner"], line["trust"]) == (manner, trust)
            and (line["population"], line["pieces"], line["seed"]) in honest
        ]
        pairs = [(x, honest[x["population"], x["pieces"], x["seed"]]) for x in runs]
        if not pairs:
            continue
        rows.append(
            {
                "manner": manner,
                "trust": trust,
                "seeds": len(pairs),
                "accepted": sum(x["passed"] for x, _ in pairs),
                "gain_points": _mean(points(x, "unseen") for x, _ in pairs),
                "behind_honest_points": _mean(
                    points(h, "unseen") - points(x, "unseen") for x, h in pairs
                ),
                "base_behind_honest_points": _mean(
                    points(h, "unseen_base") - points(x, "unseen_base") for x, h in pairs
                ),
                "candidate_gain_points": _mean(points(x, "unseen", "candidate") for x, _ in pairs),
                "candidate_behind_honest_points": _mean(
                    points(h, "unseen", "candidate") - points(x, "unseen", "candidate")
                    for x, h in pairs
                ),
                "candidate_base_behind_honest_points": _mean(
                    points(h, "unseen_base", "candidate") - points(x, "unseen_base", "candidate")
                    for x, h in pairs
                ),
                "candidate_base_points": _mean(
                    points(x, "unseen_base", "candidate") for x, _ in pairs
                ),
                "worst_served_points": round(min(points(x, "unseen") for x, _ in pairs), 2),
                "worst_served_base_points": round(
                    min(points(x, "unseen_base") for x, _ in pairs), 2
                ),
            }
        )
    return rows


def _chance(lines: Sequence[Line]) -> Line | None:
    if not lines:
        return None
    promoted = [line for line in lines if line["passed"]]
    worse_loss = sum(points(x, "unseen", "served", "log_loss") > 0 for x in promoted)
    worse_accuracy = sum(points(x, "unseen") < 0 for x in promoted)
    return {
        "runs": len(lines),
        "promoted": len(promoted),
        "promoted_and_worse_by_log_loss": worse_loss,
        "promoted_and_worse_by_accuracy": worse_accuracy,
        "share_worse_by_log_loss": round(worse_loss / len(lines), 4),
        "share_worse_by_accuracy": round(worse_accuracy / len(lines), 4),
        "mean_change_of_promoted_points": _mean(points(x, "unseen") for x in promoted),
        "mean_change_of_promoted_log_loss": _mean(
            points(x, "unseen", "served", "log_loss") for x in promoted
        ),
    }


def _nights(lines: Sequence[Line]) -> Line | None:
    if not lines:
        return None
    ordered = sorted(lines, key=lambda line: int(line["night"]))
    last = ordered[-1]
    return {
        "nights": len(ordered),
        "promotions": sum(line["passed"] for line in ordered),
        "gain_points": round(points(last, "unseen"), 2),
        "base_points": round(points(last, "unseen_base"), 2),
        "worst_base_points": round(min(points(line, "unseen_base") for line in ordered), 2),
        "calibration_error_before": last["unseen_base"]["current"]["calibration_error"],
        "calibration_error_after": last["unseen_base"]["served"]["calibration_error"],
        "population_calibration_error_before": last["unseen"]["current"]["calibration_error"],
        "population_calibration_error_after": last["unseen"]["served"]["calibration_error"],
        "by_night": [
            {
                "night": line["night"],
                "passed": line["passed"],
                "said": line["said"],
                "population": line["unseen"]["served"]["accuracy"],
                "base": line["unseen_base"]["served"]["accuracy"],
                "calibration_error": line["unseen_base"]["served"]["calibration_error"],
            }
            for line in ordered
        ],
    }


def write_results(lines: Sequence[Line]) -> Path:
    """Writes the results file and the picture, and returns the file's path."""
    found = summary(lines)
    if found["honest"]:
        draw(found, PICTURE)
    return record.write("learning", found)


def draw(found: dict[str, Any], path: Path) -> None:
    """Gain against pieces of feedback per population, base beside it; the nights below."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    nights = found["nights"]
    figure, axes = plt.subplots(1, 3 if nights else 2, figsize=(12.5 if nights else 9, 3.6))
    names = {"dark_and_turned": "dark and turned", "hard_sad": "sad's hardest third"}
    for number, (name, title) in enumerate(names.items()):
        rows = [row for row in found["honest"] if row["population"] == name]
        pieces = [0, *(row["pieces"] for row in rows)]
        colour = f"C{number}"
        axes[0].plot(
            pieces, [0, *(r["gain_points"] for r in rows)], "o-", color=colour, label=title
        )
        axes[1].plot(
            pieces, [0, *(-r["base_loss_points"] for r in rows)], "o-", color=colour, label=title
        )
        for row in rows:
            gains = row["gain_points_by_seed"]
            axes[0].plot([row["pieces"]] * len(gains), gains, ".", color=colour, alpha=0.4)
        for row in found["whole_base"]:
            if row["population"] == name:
                label = f"{title}, gate with all base faces"
                axes[0].plot(2000, row["gain_points"], "*", ms=13, color=colour, label=label)
    axes[0].axhline(5, color="grey", linestyle=":", label="asked for at 2,000")
    axes[1].axhline(-1, color="grey", linestyle=":", label="at most lost")
    axes[0].set(title="unseen faces of the population", ylabel="points of crowd accuracy")
    axes[1].set(title="unseen base faces", ylim=(-2, 2))
    axes[0].set_ylim(-0.5, 11.5)  # room for the legend
    for axis, place in zip(axes[:2], ("upper left", "best"), strict=True):
        axis.set_xlabel("pieces of feedback")
        axis.legend(frameon=False, loc=place, fontsize=8)
    if nights:
        by_night = nights["by_night"]
        x = [night["night"] for night in by_night]
        axes[2].plot(x, [100 * n["population"] for n in by_night], label="population", color="C0")
        axes[2].plot(x, [100 * n["base"] for n in by_night], label="base", color="C2")
        promoted = [n for n in by_night if n["passed"]]
        axes[2].plot(
            [n["night"] for n in promoted],
            [100 * n["base"] for n in promoted],
            "^",
            color="C2",
            label="promoted",
        )
        axes[2].set(title="30 nights", xlabel="night", ylabel="crowd accuracy, %")
        axes[2].legend(frameon=False)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return round(mean(found), 4) if found else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
