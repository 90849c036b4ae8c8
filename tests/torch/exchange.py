#!/usr/bin/env python3
"""retort import and export beside PyTorch: networks of its modules, written as safetensors, answer
the same in retort, and what retort exports loads into the modules.

usage: exchange.py PROBABILITIES_PROGRAM      exits with 77 (skipped) where there is no PyTorch
"""
import os
import pathlib
import sys
import tempfile

try:
    import torch
except ImportError:
    if os.environ.get("CI") == "true":
        sys.exit("this Python has no PyTorch")
    print("skipped: this Python has no PyTorch")
    sys.exit(77)

from network import Network, read_safetensors, write_safetensors

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "exchange"))
from answers import SIZE, answers, patch_scaled, retort, same, smooth_image, told

CLASSES = 5


def network(seed, **options):
    """With weights that matter: outputs well apart, statistics that are not those of the start."""
    torch.manual_seed(seed)
    model = Network(6, 2, CLASSES, **options)
    for name, tensor in model.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
        elif name.endswith("running_mean") or name.endswith("bias"):
            tensor.uniform_(-0.5, 0.5)
        elif tensor.dim() == 4:
            tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5)
    return model.eval()


def planes(pixels):
    """[h, w, c] as PyTorch has images."""
    return torch.from_numpy(pixels).permute(2, 0, 1)


def imagenet(x):
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (x / 255 - mean[:, None, None]) / deviation[:, None, None]


def softmax_of(model, scaled):
    with torch.no_grad():
        return torch.softmax(model(scaled[None])[0], 0).numpy()


MILESIAL = """
# theirs        = ours
inc.conv        = down.0
layers.*.conv   = down.*
out             = head
rise.*.enlarge  = up.*
rise.*.conv     = dec.*
aux             = -     # only for training
"""


def rename(state):
    """The same network under other names, and a tensor that is of no use."""
    names = {"down.0": "inc.conv", "head": "out"}
    for i in range(4):
        names.update({"down.%d" % i: names.get("down.%d" % i, "layers.%d.conv" % i),
                      "up.%d" % i: "rise.%d.enlarge" % i, "dec.%d" % i: "rise.%d.conv" % i})
    renamed = {}
    for name, tensor in state.items():
        part = "head" if name.startswith("head") else ".".join(name.split(".")[:2])
        renamed[names[part] + name[len(part):]] = tensor
    renamed["aux.weight"] = torch.zeros(3, 4)
    return renamed


def imported(folder, state, *options, **more):
    write_safetensors(folder / "theirs.safetensors", state)
    return retort("import", folder / "theirs.safetensors", "--out", folder / "ours.safetensors",
                  "--force", "--patch", SIZE, *options, **more)


def check_imports(folder):
    pixels = smooth_image()
    x, ours = planes(pixels).float(), folder / "ours.safetensors"
    model = network(1)
    said = imported(folder, model.state_dict(), "--scaling", "unit")
    assert "unet:6,depth=2" in said and "5: class 0, class 1" in said, said
    same("plain, unit", answers(ours, folder, pixels), softmax_of(model, x / 255))
    imported(folder, {"module." + k: v for k, v in model.state_dict().items()},
             "--scaling", "imagenet", "--channels", "bgr")
    # The means go with the network's channels: blue takes the first.
    same("prefixed, imagenet, bgr", answers(ours, folder, pixels), softmax_of(model, imagenet(x.flip(0))))
    model = network(2, skip_first=True)
    (folder / "map").write_text(MILESIAL)
    said = imported(folder, rename(model.state_dict()), "--scaling", "patch", "--map", folder / "map",
                    "--concat", "skip-first")
    left = "theirs.safetensors: aux is left out, as line 8 of the map says: 1 tensor"
    assert "retort: %s/%s\n" % (folder, left) in said, said
    what = told("import", folder / "theirs.safetensors", "--out", ours, "--force", "--scaling", "patch",
                "--map", folder / "map", "--concat", "skip-first", "--patch", SIZE)
    assert (what["file"], what["format"]) == (str(folder / "theirs.safetensors"), "torch"), what
    assert what["scaling"]["mode"] == "patch" and what["channels"] == "rgb", what
    assert what["parameters"] == sum(p.numel() for p in model.parameters()), what
    assert what["warnings"][0] == "%s/%s" % (folder, left) and len(what["warnings"]) == 2, what
    same("renamed, patch, skip first", answers(ours, folder, pixels), softmax_of(model, planes(patch_scaled(pixels.astype("float32")))))
    model = network(3, norm=True)
    imported(folder, model.state_dict(), "--scaling", "symmetric")
    same("batch norm with biases", answers(ours, folder, pixels), softmax_of(model, x / 127.5 - 1))
    model = network(4, norm=True, bias=False, up="bilinear")
    said = imported(folder, model.state_dict(), "--scaling", "unit", fails=2)
    assert "say --network unet:6,depth=2,norm=batch,up=bilinear or up=nearest" in said, said
    imported(folder, model.state_dict(), "--scaling", "128,128,128/64,64,64",
             "--network", "unet:6,depth=2,norm=batch,up=bilinear")
    same("batch norm, bilinear", answers(ours, folder, pixels), softmax_of(model, (x - 128) / 64))
    model = network(5).half().float()
    imported(folder, {k: v.half() for k, v in model.state_dict().items()}, "--scaling", "unit")
    same("half precision", answers(ours, folder, pixels), softmax_of(model, x / 255))


def check_refusals(folder):
    state = network(1).state_dict()
    said = imported(folder, state, fails=2)
    assert "does not tell how its images were scaled" in said, said
    said = imported(folder, state, "--scaling", "unit", "--palette", "dubai", fails=2)
    assert "has 5 classes, but the palette dubai has 6" in said, said
    broken = dict(state, attention=torch.zeros(7, 2), **{"dec.0.3.bias": torch.zeros(9)})
    del broken["up.1.bias"]
    said = imported(folder, broken, "--scaling", "unit", fails=1)
    for line in ("as unet:6,depth=2 with 5 classes:", "\n  attention (7x2) has no place in it\n",
                 "\n  dec.0.3.bias is 9, but it has to be 6\n", "\n  nothing is up.1.bias (12)\n"):
        assert line in said + "\n", (line, said)
    said = imported(folder, {}, "--scaling", "unit", fails=1)
    assert "It holds:\n  nothing\n" in said, said
    said = imported(folder, rename(state), "--scaling", "unit", fails=1)
    assert "needs a --map" in said and "\n  inc.conv.0.weight (6x3x3x3)\n" in said, said
    (folder / "map").write_text(MILESIAL + "head = tail\n")
    said = imported(folder, rename(state), "--scaling", "unit", "--map", folder / "map", fails=1)
    assert "no tensor is called like line 9 of the map, head" in said, said
    (folder / "map").write_text("inc.conv down.0\n")
    said = imported(folder, rename(state), "--scaling", "unit", "--map", folder / "map", fails=1)
    assert "line 1 of the map" in said and "is not THEIRS = OURS" in said, said
    torch.save(state, folder / "pickled.pt")
    said = retort("import", folder / "pickled.pt", "--out", folder / "none", fails=1)
    assert "safetensors.torch.save_file(model.state_dict()" in said, said


def check_exports(folder):
    """To the published module with strict names, and back."""
    for options in ({}, {"norm": True, "bias": False}):
        model = network(6, **options)
        imported(folder, model.state_dict(), "--scaling", "unit")
        what = told("export", folder / "ours.safetensors", "--torch", folder / "away.safetensors",
                    "--force")
        assert what["files"] == [{"format": "torch", "file": str(folder / "away.safetensors")}], what
        assert what["parameters"] == sum(p.numel() for p in model.parameters()), what
        back = network(7, **options)
        state = read_safetensors(folder / "away.safetensors")
        for name, tensor in back.state_dict().items():
            if name.endswith("num_batches_tracked"):
                state[name] = tensor
        back.load_state_dict(state, strict=True)
        for name, tensor in model.state_dict().items():
            assert torch.equal(back.state_dict()[name], tensor), name
        retort("import", folder / "away.safetensors", "--out", folder / "again.safetensors",
               "--force")
        assert (folder / "again.safetensors").read_bytes() == \
            (folder / "ours.safetensors").read_bytes()
        print("[       OK ] export --torch, %s" % (options or "plain"))


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.environ["RETORT_CACHE_DIR"] = name  # kernels are compiled once
        check_imports(folder)
        check_refusals(folder)
        check_exports(folder)
    return 0


sys.exit(main())
