#!/usr/bin/env python3
"""retort import and export beside Keras: what it saves answers the same in retort, in every way of
saving, and what retort exports is loaded by Keras.

usage: exchange.py PROBABILITIES_PROGRAM
`tools/packages run keras` brings Keras; with RETORT_KERAS=tf_keras it is Keras 2, where that is.
"""
import importlib
import os
import pathlib
import sys
import tempfile

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = importlib.import_module(os.environ.get("RETORT_KERAS", "keras"))
import h5py
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "exchange"))
from answers import SIZE, answers, patch_scaled, retort, same, smooth_image

L = keras.layers
OLD = keras.__version__.startswith("2")
WIDTH, DEPTH, CLASSES = 4, 2, 5


def half(x, channels, norm, apart):
    x = L.Conv2D(channels, 3, padding="same", kernel_initializer="he_normal",
                 activation=None if norm or apart else "relu")(x)
    if norm:
        x = L.BatchNormalization()(x)
    if norm or apart:
        x = L.ReLU()(x) if apart else L.Activation("relu")(x)
    return x


def block(x, channels, dropout, **how):
    x = half(x, channels, **how)
    x = L.Dropout(dropout)(x)
    return half(x, channels, **how)


def reference(norm=False, apart=False, skip_first=False, up="transpose", rescaling=False,
              logits=False, size=SIZE):
    """The multi-class U-Net as it is published; with variations."""
    inputs = x = L.Input((size, size, 3))
    skips, how = [], {"norm": norm, "apart": apart}
    if rescaling:
        x = L.Rescaling(1 / 127.5, offset=-1)(x)
    for level in range(DEPTH):
        x = block(x, WIDTH << level, 0.2, **how)
        skips.append(x)
        x = L.MaxPooling2D((2, 2))(x)
    x = block(x, WIDTH << DEPTH, 0.3, **how)
    for level in reversed(range(DEPTH)):
        if up == "transpose":
            x = L.Conv2DTranspose(WIDTH << level, (2, 2), strides=(2, 2), padding="same")(x)
        else:
            x = L.UpSampling2D((2, 2), interpolation=up)(x)
            x = L.Conv2D(WIDTH << level, 3, padding="same")(x)
        x = L.concatenate([skips[level], x] if skip_first else [x, skips[level]])
        x = block(x, WIDTH << level, 0.2, **how)
    x = L.Conv2D(CLASSES, (1, 1), activation=None if logits else "softmax")(x)
    return keras.Model(inputs=[inputs], outputs=[x])


def shaken(model, seed):
    """Weights that matter: outputs well apart, statistics that are not those of the start."""
    random = np.random.default_rng(seed)
    weights = []
    for variable in model.weights:
        shape, name = tuple(variable.shape), getattr(variable, "path", variable.name)
        if "variance" in name or "gamma" in name:
            weights.append(random.uniform(0.5, 2, shape))
        elif len(shape) == 1:
            weights.append(random.uniform(-0.5, 0.5, shape))
        else:
            fan = np.prod(shape) / shape[2 if "transpose" in name else 3]
            weights.append(random.normal(0, (3 / fan) ** 0.5, shape))
    model.set_weights(weights)
    return model


def said_by(model, scaled, logits=False):
    x = np.asarray(model.predict(scaled[None].astype(np.float32), verbose=0))[0]
    if logits:
        x = np.exp(x - x.max(-1, keepdims=True))
        x /= x.sum(-1, keepdims=True)
    return x.transpose(2, 0, 1)


def save_legacy(model, path):
    """Weights alone as Keras 2 writes them, and Keras 3 no longer does."""
    if OLD:
        return model.save_weights(path, save_format="h5")
    from keras.src.legacy.saving import legacy_h5_format
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return None


WAYS = {"whole.h5": lambda model, path: model.save(path), "legacy.h5": save_legacy,
        "new.weights.h5": lambda model, path: model.save_weights(path)}


def check_imports(folder, pixels):
    x, ours = pixels.astype(np.float64), folder / "ours.safetensors"
    cases = [
        ({}, "patch", patch_scaled(x)), ({"skip_first": True, "apart": True}, "unit", x / 255),
        ({"norm": True}, "symmetric", x / 127.5 - 1), ({"up": "bilinear"}, "unit", x / 255),
        ({"up": "nearest", "norm": True, "logits": True}, "unit", x / 255),
        ({"rescaling": True, "size": None}, None, x)]
    for number, (variation, scaling, scaled) in enumerate(cases):
        model = shaken(reference(**variation), number)
        expected = said_by(model, scaled, variation.get("logits"))
        for way, save in WAYS.items():
            save(model, str(folder / way))
            options = ["--patch", SIZE, "--force"]
            if scaling or way != "whole.h5":  # weights alone do not tell of a Rescaling
                options += ["--scaling", scaling or "symmetric"]
            if way != "whole.h5":
                network = "unet:4,depth=2" + ",up=" + variation.get("up", "transpose")
                network += ",norm=batch" if variation.get("norm") else ""
                options += ["--network", network] if "up" in variation else []
                options += ["--concat", "skip-first"] if "skip_first" in variation else []
            retort("import", folder / way, "--out", ours, *options)
            same("%s, %s" % (variation or "reference", way), answers(ours, folder, pixels),
                 expected)


def check_refusals(folder):
    """Whole models that are no such network: every layer that is not is named."""
    def refused(build, *lines):
        inputs = L.Input((SIZE, SIZE, 3))
        keras.Model(inputs, build(inputs)).save(str(folder / "other.h5"))
        said = retort("import", folder / "other.h5", "--out", folder / "none", "--scaling",
                      "unit", fails=1)
        for line in lines:
            assert line in said, (line, said)

    def attention(x):
        y = L.Conv2D(4, 3, padding="same", activation="relu", name="stem")(x)
        y = L.Add(name="sum")([y, L.Conv2D(4, 1, name="side")(x)])
        return L.Conv2D(3, 1, activation="softmax")(L.LayerNormalization(name="levels")(y))

    refused(attention, "layer sum is a Add, which", "layer levels is a LayerNormalization, which")
    refused(lambda x: L.Conv2D(3, 1, activation="sigmoid", name="last")(L.MaxPooling2D()(x)),
            "layer last (Conv2D) has the activation sigmoid, not softmax")

    def striding(x):
        y = L.Conv2D(4, 3, padding="same", activation="elu", name="bent")(L.MaxPooling2D()(x))
        return L.Conv2D(3, 1, activation="softmax")(y)

    refused(striding, "layer bent (Conv2D) has the activation elu, not relu")


def check_exports(folder, pixels):
    scaled = pixels / 255
    for variation in ({}, {"norm": True}, {"up": "bilinear"}):
        model = shaken(reference(**variation), 9)
        expected = said_by(model, scaled)
        model.save(str(folder / "theirs.h5"))
        retort("import", folder / "theirs.h5", "--out", folder / "ours.safetensors", "--scaling",
               "unit", "--force")
        for way in ("away.h5", "away.weights.h5"):
            retort("export", folder / "ours.safetensors", "--keras", folder / way, "--force")
            if OLD and way == "away.weights.h5":
                continue  # another layout than that of Keras 3
            if way == "away.h5":
                whole = keras.models.load_model(str(folder / way), compile=False)
                same("load_model, %s" % (variation or "reference"), said_by(whole, scaled),
                     expected)
            if "norm" not in variation:  # whose epsilon is not that of this model
                other = shaken(reference(**variation), 10)
                other.load_weights(str(folder / way))
                same("load_weights of %s, %s" % (way, variation or "reference"),
                     said_by(other, scaled), expected)
            retort("import", folder / way, "--out", folder / "again.safetensors", "--force")
            assert (folder / "again.safetensors").read_bytes() == \
                (folder / "ours.safetensors").read_bytes(), way


def main():
    print("%s %s" % (keras.__name__, keras.__version__))
    with tempfile.TemporaryDirectory() as name:
        folder, pixels = pathlib.Path(name), smooth_image()
        os.environ["RETORT_CACHE_DIR"] = name
        check_imports(folder, pixels)
        check_refusals(folder)
        check_exports(folder, pixels)
    return 0


sys.exit(main())
