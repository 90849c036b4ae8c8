#!/usr/bin/env python3
"""`retort bench`: its table and its JSON, on small networks. The program is $RETORT_PROGRAM."""
import json
import os
import sys

import checks

RETORT = os.environ["RETORT_PROGRAM"]
SMALL = ("bench", "--model", "unet:4,depth=2", "--student", "unet:2,depth=2", "--batch", "2",
         "--patch", "32", "--steps", "3")
CASES = ["teacher inference", "teacher training", "student inference", "student training",
         "distillation"]


def close(a, b, what):
    assert abs(a - b) <= 1e-4 * abs(b), "%s is %g, expected %g" % (what, a, b)


def the_workload_is_named_with_its_settings():
    assert RESULT["workload"] == "retort bench 1"
    assert RESULT["standard"] is False
    expected = {"teacher": "unet:4,depth=2", "student": "unet:2,depth=2", "batch": 2, "patch": 32,
                "steps": 3, "channels": 3, "classes": 6, "optimizer": "adam", "loss": "ce",
                "distillation": "kl", "alpha": 0.1, "temperature": 4.0, "conv": "auto", "math": "fast"}
    assert RESULT["settings"] == expected, RESULT["settings"]


def the_machine_is_named():
    device = RESULT["device"]
    (listed,) = [d for d in json.loads(checks.run(RETORT, "devices", "--json")[0])
                 if d["index"] == 0]
    for ours, theirs in (("name", "name"), ("type", "type"), ("driver", "driver"),
                         ("platform", "platform_name"), ("opencl", "version"),
                         ("compute_units", "units")):
        assert device[ours] == listed[theirs], (ours, device[ours], listed[theirs])
    assert RESULT["host"] == {"os": os.uname().sysname, "architecture": os.uname().machine}
    assert checks.run(RETORT, "--version")[0] == "retort %s\n" % RESULT["retort"]


def the_cases_agree_with_themselves():
    assert [case["case"] for case in RESULT["cases"]] == CASES
    for case in RESULT["cases"]:
        name, operations = case["case"], case["operations"]
        close(case["images_per_second"], 2 / case["seconds"], name + " images/s")
        flops = sum(operation["flops"] for operation in operations)
        close(case["gflops"], 1e-9 * flops / case["seconds"], name + " GFLOPS")
        close(case["share_of_peak"], case["gflops"] / RESULT["roof"]["gflops"], name + " of peak")
        close(sum(operation["share"] for operation in operations), 1, name + " shares")
        assert case["peak_device_bytes"] > 0


def the_work_is_counted():
    """4 to 16 channels: 3x3 convolutions, each followed by another, and their transposed ones."""
    work = {case["case"]: {o["operation"]: o for o in case["operations"]} for case in RESULT["cases"]}
    first = work["teacher inference"]["conv2d forward 4x32x32"]  # 3 and 4, then 8 and 4 to 4
    assert first["launches"] >= 4, first
    close(first["flops"], 2 * 2 * 32 * 32 * 9 * 4 * (3 + 4 + 8 + 4), "FLOPs")
    assert "optimizer" not in work["student inference"]
    optimizer, loss = work["student training"]["optimizer"], work["student training"]["loss"]
    assert optimizer["bytes"] % 28 == 0 and optimizer["flops"] == 0
    pixels = 2 * 32 * 32
    assert loss["bytes"] == pixels * (2 * 6 * 4 + 1)
    assert work["distillation"]["loss"]["bytes"] == pixels * (3 * 6 * 4 + 1)


def operations_stand_beside_the_roof():
    roof = RESULT["roof"]
    assert roof["gflops"] > 0.1 and roof["gb_per_second"] > 0.1
    for case in RESULT["cases"]:
        assert case["operations"] == sorted(case["operations"], key=lambda o: -o["seconds"])
        for operation in case["operations"]:
            name, seconds = operation["operation"], operation["seconds"]
            if seconds == 0:
                continue
            close(operation["gflops"], 1e-9 * operation["flops"] / seconds, name)
            close(operation["gb_per_second"], 1e-9 * operation["bytes"] / seconds, name)
            least = 1e-9 * max(operation["flops"] / roof["gflops"],
                               operation["bytes"] / roof["gb_per_second"])
            close(operation["share_of_roof"], least / seconds, name + " of roof")


def the_tables_name_their_columns():
    text, _ = checks.run(RETORT, *SMALL)
    for word in ("images/s", "GFLOPS", "GB/s", "% of peak", "% of roof", " MiB",
                 "not the standard workload", "conv2d forward 4x32x32") + tuple(CASES):
        assert word in text, "'%s' is not in\n%s" % (word, text)
    heads = [line for line in text.splitlines() if line.endswith("% of roof")]
    assert len(heads) == len(CASES)
    for line in text.splitlines():
        if line[:2] == "  " and line[2:3].isalpha():
            assert len(line) == len(heads[0]), "not aligned: '%s'" % line


def wrong_networks_are_told():
    _, error = checks.run(RETORT, "bench", "--model", "resnet:18", status=2)
    assert "resnet:18" in error


if checks.run(RETORT, "devices", "--json")[0].strip() == "[]":
    print("there is no OpenCL device")
    sys.exit(1 if os.environ.get("CI") else checks.SKIPPED)
RESULT = json.loads(checks.run(RETORT, *SMALL, "--device", "0", "--json")[0])
checks.main((the_workload_is_named_with_its_settings, the_machine_is_named,
             the_cases_agree_with_themselves, the_work_is_counted, operations_stand_beside_the_roof,
             the_tables_name_their_columns, wrong_networks_are_told))
