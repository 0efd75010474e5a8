"""`train_cli pack`: trained members into one model version that can serve."""

import json
from pathlib import Path
from typing import Annotated

import typer

from fer_model.versions import Precision
from train_cli.commands.options import (
    Device,
    DryRun,
    Json,
    RuntimeName,
    Seed,
    expected_failures,
    messages,
    print_line,
    results,
    runtime_named,
    torch_device,
)
from train_cli.ensembles import member_of_checkpoint
from train_cli.packing import pack
from train_cli.progress import face_progress
from train_cli.reports import (
    calibration_table,
    doubt_line,
    figures_table,
    pack_document,
    precision_table,
)
from train_cli.splits import load_split


def pack_command(
    member: Annotated[
        list[Path], typer.Option(help="A run's `best` folder; once per ensemble member.")
    ],
    split: Annotated[Path, typer.Option(help="Folder that `prepare` wrote.")],
    out: Annotated[Path, typer.Option(help="Folder that receives the version's own folder.")],
    precision: Annotated[
        Precision, typer.Option(help="How weights are stored; int8 halves fp16's size.")
    ] = "int8",
    flip: Annotated[
        bool,
        typer.Option(help="Serve the mean of a face and its mirror image; costs twice the time."),
    ] = False,
    with_test: Annotated[
        bool,
        typer.Option(
            "--with-test",
            help="When all is fitted, measure the test split too and record its figures.",
        ),
    ] = False,
    limit: Annotated[
        int | None, typer.Option(help="Only N faces, evenly spread, to try things.", min=1)
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    runtime: RuntimeName = "auto",
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Pack trained members into a model version, calibrated and judged on validation.

    The weights are quantised first, read back by the engine that serves, and only then
    calibrated: what is judged is what will serve. Nothing is fitted on the test split. Validation
    figures are out of fold: each face is judged by calibrations that were fitted without it.

    Example: train_cli pack --member runs/vgg19/best --member runs/resnet50/best
    --split datasets/fer2013 --out fer_model/weights
    """
    on_device = torch_device(device)
    run_by = runtime_named(runtime, on_device)
    console = messages()
    with expected_failures():
        members = [member_of_checkpoint(folder) for folder in member]
        validation = load_split(split, "validation", limit)
        test = load_split(split, "test", limit) if with_test else None
        rounds = 2 * len(validation) + (len(test) if test else 0)
        with face_progress(console, "reading faces", rounds * len(members)) as on_faces:
            report = pack(
                members,
                validation,
                None if dry_run else out,
                precision,
                flip,
                on_device,
                test=test,
                seed=seed,
                runtime=run_by,
                on_faces=on_faces,
            )
    if as_json:
        typer.echo(json.dumps(pack_document(report)))
        return
    page = results()
    names = [m.network.architecture for m in members]
    heads = {"crowd": report.calibrations.crowd, "label": report.calibrations.label}
    page.print(figures_table(f"validation, {precision}", report.served))
    if precision != "fp32":
        page.print(precision_table(report.served, report.full))
    if report.test:
        page.print(figures_table("test, as published", report.test))
        page.print(figures_table("test, leak-free", report.test_leak_free))
    page.print(calibration_table(heads, names))
    page.print(doubt_line(report), soft_wrap=True)
    where = f"{report.version.path}" if report.version else "dry run: nothing written"
    print_line(page, f"{report.bytes / 1e6:.1f} MB, {where}")
