"""A small run, and what its files must be whatever happens to it."""
import json
import struct

# One step an epoch: the run saves all the time.
SMALL = ("--data", "synth:1", "--split", "patch", "--patch", "64", "--model", "unet:2,depth=1",
         "--batch", "4096", "--augment")


def is_whole(path):
    """Whether one of a run's own files is all that it should be."""
    content = path.read_bytes()
    if path.suffix == ".safetensors":
        size = struct.unpack("<Q", content[:8])[0]
        header = json.loads(content[8:8 + size])
        ends = [entry["data_offsets"][1] for name, entry in header.items()
                if name != "__metadata__"]
        return 8 + size + max(ends) == len(content)
    if path.name == "log.csv":
        rows = content.decode().splitlines()
        return content.endswith(b"\n") and all(row.count(",") == 7 for row in rows)
    if path.suffix == ".jsonl":
        rows = content.decode().splitlines()
        return content.endswith(b"\n") and [json.loads(row)["epoch"] for row in rows] == list(
            range(1, len(rows) + 1))
    if path.suffix == ".json":
        return isinstance(json.loads(content), dict)
    return True


def expect_whole_files(run):
    for path in run.glob("*"):
        if path.is_file() and not path.name.endswith(".tmp"):
            assert is_whole(path), "%s is half-written" % path


def expect_same_logs(run):
    """log.jsonl says what log.csv does, and when."""
    header, *rows = (run / "log.csv").read_text().splitlines()
    events = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert len(rows) == len(events) > 0, "%d rows, %d events" % (len(rows), len(events))
    names, times = header.split(","), []
    for row, event in zip(rows, events):
        assert list(event) == names + ["wall_time"], event
        for name, text in zip(names, row.split(",")):
            assert event[name] == (None if "n" in text else float(text)), "%s: %s" % (row, event)
        times.append(event["wall_time"])
    assert times == sorted(times) and times[0] > 1.7e9, times


def expect_same_run(run, other):
    """The same bits in all but the times."""
    for name in ("best.safetensors", "last.safetensors"):
        assert (run / name).read_bytes() == (other / name).read_bytes(), "%s differs" % name
    logs = [[row.split(",")[:5] for row in (folder / "log.csv").read_text().splitlines()]
            for folder in (run, other)]
    assert logs[0] == logs[1], "log.csv differs"
    expect_same_logs(run)
    verdicts = [json.loads((folder / "eval" / "metrics.json").read_text())["confusion"]
                for folder in (run, other)]
    assert verdicts[0] == verdicts[1], "the verdicts differ"
    left = [path.name for path in run.iterdir() if path.suffix == ".tmp" or path.name == ".lock"]
    assert not left, "%s are left" % left
