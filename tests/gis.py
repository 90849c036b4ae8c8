#!/usr/bin/env python3
"""Rasters: what retort writes of them, as GDAL's own tools see it.

usage: gis.py [--measure | --large]     the program is RETORT_PROGRAM
--measure prints how much the grid of tiles matters; --large segments 20,000 x 20,000 pixels
"""
import array
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

PROGRAM = os.environ["RETORT_PROGRAM"]
TOOLS = ("gdalinfo", "gdal_translate", "gdal_create", "ogrinfo", "gdalbuildvrt")
SIDE = 300  # of the scene that most tests segment
PATCH = 64
CORNER = (325000.0, 2790000.0)  # UTM zone 40N; pixels of half a metre
PIXEL = 0.5


def run(*command, check=True, **more):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **more)
    if check and done.returncode:
        raise AssertionError("%s ended with %d:\n%s" % (" ".join(map(str, command)),
                                                        done.returncode, done.stdout))
    return done


def retort(*arguments, **more):
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")
    return run(PROGRAM, *arguments, env=environment, **more)


def predict(folder, out, image, *options, **more):
    return retort("predict", "--model", folder / "model/best.safetensors", "--out", folder / out,
                  *options, image, **more)


def info(path):
    return json.loads(run("gdalinfo", "-json", path).stdout)


def samples(path, code="B"):
    """The bands, one after the other, as GDAL reads them."""
    with tempfile.TemporaryDirectory() as folder:
        raw = pathlib.Path(folder) / "raw"
        run("gdal_translate", "-q", "-of", "ENVI", "-co", "INTERLEAVE=BSQ", path, raw)
        values = array.array(code)
        values.frombytes(raw.read_bytes())
        return values


def write_ppm(path, width, height, colour):
    rows = bytearray(b"P6 %d %d 255\n" % (width, height))
    for y in range(height):
        for x in range(width):
            rows += bytes(colour(x, y))
    path.write_bytes(rows)


def field(x, y):
    """The class of a scene's pixel: fields between slanted roads."""
    return (x // 41 + 2 * (y // 29) + (x + y) // 67) % 4


def scene(x, y):
    noise = (x * 7919 + y * 104729 + x * y * 31) % 23
    red, green, blue = ((30, 60, 140), (70, 130, 60), (150, 140, 120), (90, 90, 95))[field(x, y)]
    return red + noise, green + noise, blue + noise


# Of the palette "dubai": Building, Land, Road, Vegetation.
COLOURS = [(60, 16, 152), (132, 41, 246), (110, 193, 228), (254, 221, 58)]


def write_pair(folder, name, width, height, x0, y0):
    """A scene and its mask as image.png and mask.png of that name, below images and masks."""
    for part, colour in (("images", lambda x, y: scene(x + x0, y + y0)),
                         ("masks", lambda x, y: COLOURS[field(x + x0, y + y0)])):
        (folder / part).mkdir(parents=True, exist_ok=True)
        write_ppm(folder / "pair.ppm", width, height, colour)
        run("gdal_translate", "-q", "-of", "PNG", folder / "pair.ppm",
            folder / part / (name + ".png"))
    (folder / "pair.ppm").unlink()


def prepare(folder):
    """A model, and the scene as scene.tif with a place on the earth."""
    os.environ["RETORT_CACHE_DIR"] = str(folder / "cache")
    for number in range(3):
        write_pair(folder / "learn", "scene%d" % number, 192, 192, 500 * number, 700 * number)
    retort("train", "--data", folder / "learn", "--model", "unet:4,depth=2,norm=batch,dropout=0",
           "--patch", PATCH, "--epochs", 12, "--batch", 6, "--lr", "1e-2", "--validation", 0, "--out",
           folder / "model")
    write_ppm(folder / "scene.ppm", SIDE, SIDE, scene)
    run("gdal_translate", "-q", "-a_srs", "EPSG:32640", "-a_ullr", CORNER[0], CORNER[1],
        CORNER[0] + SIDE * PIXEL, CORNER[1] - SIDE * PIXEL, folder / "scene.ppm",
        folder / "scene.tif")


def expect(condition, message):
    if not condition:
        raise AssertionError(message)


def expect_failure(done, status, *words):
    expect(done.returncode == status, "ended with %d: %s" % (done.returncode, done.stdout))
    lines = [line for line in done.stdout.splitlines() if "warning" not in line]
    expect(len(lines) == 1 and lines[0].startswith("retort: "), "not one sentence: " + done.stdout)
    for word in words:
        expect(word in lines[0], "'%s' is not in: %s" % (word, lines[0]))


def expect_same(first, second):
    """The same bands; gdalcompare.py is not in every package of GDAL's tools."""
    expect(samples(first) == samples(second), "%s and %s differ" % (first, second))


# --- what is written ------------------------------------------------------------------------------

def place_classes_and_colours(folder):
    predict(folder, "labels", folder / "scene.tif")
    before, after = info(folder / "scene.tif"), info(folder / "labels/scene.tif")
    for what in ("geoTransform", "coordinateSystem", "size", "cornerCoordinates"):
        expect(before[what] == after[what], "%s: %s became %s" % (what, before[what], after[what]))
    band = after["bands"][0]
    expect(len(after["bands"]) == 1 and band["type"] == "Byte", band)
    expect(band["colorInterpretation"] == "Palette" and band["block"] == [256, 256], band)
    expect("noDataValue" not in band, "nodata, though the scene has none")
    header = json.loads(model_header(folder / "model/best.safetensors"))
    classes = header["palette"]["classes"]
    names = [one["name"] for one in classes]
    text = run("gdalinfo", folder / "labels/scene.tif").stdout
    listed = re.findall(r"^ +(\d+): (\D.*)$", text[text.index("Categories:"):], re.M)
    expect([name for _, name in listed[:len(names)]] == names, "categories %s" % listed)
    for number, one in enumerate(classes):
        rgb = [int(one["color"][i:i + 2], 16) for i in (1, 3, 5)]
        expect(band["colorTable"]["entries"][number] == rgb + [255], "colour %d" % number)
        expect(after["metadata"][""]["CLASS_%d" % number] == one["name"], "metadata")
    expect(after["metadata"]["IMAGE_STRUCTURE"]["COMPRESSION"] == "DEFLATE", "not compressed")


def model_header(path):
    raw = pathlib.Path(path).read_bytes()
    length = int.from_bytes(raw[:8], "little")
    metadata = json.loads(raw[8:8 + length])["__metadata__"]
    return next(value for value in metadata.values() if value.startswith("{"))


def photo_and_raster_agree(folder):
    """The same pixels, once as a PNG and once as a raster: the same labels and probabilities."""
    run("gdal_translate", "-q", "-of", "PNG", folder / "scene.tif", folder / "photo.png")
    predict(folder, "photo", folder / "photo.png", "--probabilities")
    predict(folder, "raster", folder / "scene.tif", "--probabilities")
    mask = samples(folder / "photo/photo.png")
    labels = samples(folder / "raster/scene.tif")
    entries = info(folder / "raster/scene.tif")["bands"][0]["colorTable"]["entries"]
    count = SIDE * SIDE
    for channel in range(3):
        painted = array.array("B", (entries[label][channel] for label in labels))
        expect(mask[channel * count:(channel + 1) * count] == painted, "the masks differ")
    photo = folder / "photo/photo-probabilities.tif"
    raster = folder / "raster/scene-probabilities.tif"
    expect(samples(photo, "f") == samples(raster, "f"), "the probabilities differ")
    expect("coordinateSystem" not in info(photo), "a photo has no place on the earth")


def probabilities_are_bands(folder):
    path = folder / "raster/scene-probabilities.tif"
    described = info(path)
    names = [one["name"] for one in
             json.loads(model_header(folder / "model/best.safetensors"))["palette"]["classes"]]
    expect([band["description"] for band in described["bands"]] == names, "descriptions")
    expect(described["geoTransform"] == info(folder / "scene.tif")["geoTransform"], "place")
    values, labels, count = samples(path, "f"), samples(folder / "raster/scene.tif"), SIDE * SIDE
    for i in range(0, count, 97):
        row = values[i::count]
        expect(abs(sum(row) - 1) < 1e-4, "the probabilities at %d sum to %g" % (i, sum(row)))
        expect(labels[i] == row.index(max(row)), "label %d at %d of %s" % (labels[i], i, row))


def nodata_stays(folder):
    """Black is nodata in a corner and a hole; a pixel with one black band only has data."""
    def holed(x, y):
        if x < 90 and y < 150 or 200 <= x < 203 and y == 250:
            return 0, 0, 0
        return (0, 80, 90) if x == 210 else scene(x, y)
    write_ppm(folder / "holed.ppm", SIDE, SIDE, holed)
    run("gdal_translate", "-q", "-a_nodata", 0, "-a_srs", "EPSG:32640", "-a_ullr", CORNER[0],
        CORNER[1], CORNER[0] + SIDE * PIXEL, CORNER[1] - SIDE * PIXEL, folder / "holed.ppm",
        folder / "holed.tif")
    predict(folder, "holed", folder / "holed.tif", "--polygons", "--probabilities")
    labels = samples(folder / "holed/holed.tif")
    lacking = {(x, y) for y in range(SIDE) for x in range(SIDE) if holed(x, y) == (0, 0, 0)}
    found = {(i % SIDE, i // SIDE) for i, label in enumerate(labels) if label == 255}
    expect(found == lacking, "%d pixels lack data, %d should" % (len(found), len(lacking)))
    expect(info(folder / "holed/holed.tif")["bands"][0]["noDataValue"] == 255, "nodata")
    values = samples(folder / "holed/holed-probabilities.tif", "f")
    expect({i for i in range(SIDE * SIDE) if values[i] != values[i]} ==
           {y * SIDE + x for x, y in lacking}, "nodata of the probabilities")
    areas = query(folder / "holed/holed.gpkg",
                  "SELECT class_id, name, SUM(ST_Area(geom)) AS area FROM segments GROUP BY class_id")
    names = [one["name"] for one in
             json.loads(model_header(folder / "model/best.safetensors"))["palette"]["classes"]]
    valid = (SIDE * SIDE - len(lacking)) * PIXEL * PIXEL
    expect(abs(sum(float(row["area"]) for row in areas) - valid) < 1e-6 * valid, "areas %s" % areas)
    for row in areas:
        number = int(row["class_id"])
        expect(row["name"] == names[number], "the name of class %d is %s" % (number, row["name"]))
        pixels = labels.count(number) * PIXEL * PIXEL
        expect(abs(float(row["area"]) - pixels) < 1e-6 * valid, "the area of class %d" % number)
    summary = run("ogrinfo", "-so", folder / "holed/holed.gpkg", "segments").stdout
    expect("Polygon" in summary and 'ID["EPSG",32640]' in summary, summary)


def query(path, sql):
    text = run("ogrinfo", "-q", "-dialect", "SQLITE", "-sql", sql, path).stdout
    rows = []
    for part in text.split("OGRFeature")[1:]:
        rows.append(dict(re.findall(r"^  (\w+)(?:\(\*\))? \(\w+\) = (.*)$", part, re.M)))
    return rows


def cloud_optimised(folder):
    run("gdal_translate", "-q", "-outsize", 700, 600, folder / "scene.tif", folder / "wide.tif")
    predict(folder, "cog", folder / "wide.tif", "--cog", "--probabilities")
    predict(folder, "plain", folder / "wide.tif")
    for name in ("wide.tif", "wide-probabilities.tif"):
        described = info(folder / "cog" / name)
        expect(described["metadata"]["IMAGE_STRUCTURE"]["LAYOUT"] == "COG", "not a COG")
        expect(described["bands"][0]["overviews"], "no overviews")
    expect_same(folder / "cog/wide.tif", folder / "plain/wide.tif")
    expect("Categories:" in run("gdalinfo", folder / "cog/wide.tif").stdout, "no categories")
    expect(not list((folder / "cog").glob("*tmp*")), "something is left over")


# --- what is read ---------------------------------------------------------------------------------

def bands_in_any_order(folder):
    run("gdal_translate", "-q", "-b", 2, "-b", 3, "-b", 2, "-b", 1, folder / "scene.tif",
        folder / "mixed.tif")
    predict(folder, "mixed", folder / "mixed.tif", "--bands", "4,3,2")
    expect_same(folder / "mixed/mixed.tif", folder / "raster/scene.tif")
    predict(folder, "unmixed", folder / "mixed.tif")
    expect(samples(folder / "unmixed/mixed.tif") != samples(folder / "raster/scene.tif"),
           "the bands do not matter")


def more_bits(folder):
    """16 bits, floats and negative numbers that the range maps to the very 8-bit values."""
    for kind, low, high in (("UInt16", 0, 5100), ("Int16", -1020, 4080), ("Float32", -1, 50)):
        path = folder / ("deep-%s.tif" % kind)
        run("gdal_translate", "-q", "-ot", kind, "-scale", 0, 255, low, high, folder / "scene.tif",
            path)
        predict(folder, "deep", path, "--range=%d,%d" % (low, high))
        expect_same(folder / "deep" / path.name, folder / "raster/scene.tif")
    said = predict(folder, "measured", folder / "deep-UInt16.tif").stdout
    numbers = re.search(r"--range (\S+)", said).group(1)
    predict(folder, "given", folder / "deep-UInt16.tif", "--range", numbers)
    expect_same(folder / "measured/deep-UInt16.tif", folder / "given/deep-UInt16.tif")
    values = sorted(samples(folder / "deep-UInt16.tif", "H")[:SIDE * SIDE])
    low, high = (values[int(share * (len(values) - 1))] for share in (0.02, 0.98))
    told = [float(number) for number in numbers.split(",")[:2]]
    expect(abs(told[0] - low) <= 150 and abs(told[1] - high) <= 150, "%s, not %s" % (told, [low, high]))


def odd_sizes(folder):
    for width, height in ((1, 1), (7, 3), (63, 65), (64, 64), (65, 150), (257, 40)):
        path = folder / ("odd-%dx%d.tif" % (width, height))
        run("gdal_translate", "-q", "-srcwin", 11, 13, width, height, folder / "scene.tif", path)
        predict(folder, "odd", path, "--polygons")
        expect(info(folder / "odd" / path.name)["size"] == [width, height], "the size")
        area = query(folder / ("odd/odd-%dx%d.gpkg" % (width, height)),
                     "SELECT SUM(ST_Area(geom)) AS area FROM segments")[0]["area"]
        expect(abs(float(area) - width * height * PIXEL * PIXEL) < 1e-6, "the area " + area)


def differences(folder, name, shift, *options):
    """Probabilities of the scene and of the scene without its first `shift` columns and rows, at
    pixels that are further than a tile from the borders: largest and mean difference, labels."""
    window = SIDE - shift
    run("gdal_translate", "-q", "-srcwin", shift, shift, window, window, folder / name,
        folder / "shifted.tif")
    predict(folder, "grid", folder / name, "--probabilities", "--force", *options)
    predict(folder, "grid", folder / "shifted.tif", "--probabilities", "--force", *options)
    stem = pathlib.Path(name).stem
    whole = samples(folder / ("grid/%s-probabilities.tif" % stem), "f")
    part = samples(folder / "grid/shifted-probabilities.tif", "f")
    classes = len(whole) // (SIDE * SIDE)
    largest = total = count = other = 0
    for y in range(shift + PATCH, SIDE - PATCH):
        for x in range(shift + PATCH, SIDE - PATCH):
            a = whole[y * SIDE + x::SIDE * SIDE]
            b = part[(y - shift) * window + x - shift::window * window]
            gaps = [abs(i - j) for i, j in zip(a, b)]
            largest = max(largest, max(gaps))
            total += sum(gaps)
            other += a.index(max(a)) != b.index(max(b))
            count += 1
    return largest, total / count / classes, other / count


def grid_hardly_matters(folder):
    """The bounds that README states."""
    for overlap, bounds in ((8, (0.5, 0.012, 0.06)), (24, (0.5, 0.01, 0.05))):
        worst = differences(folder, "scene.tif", 21, "--overlap", overlap)
        expect(all(a <= b for a, b in zip(worst, bounds)), "overlap %d: %s" % (overlap, worst))


# --- what goes wrong ------------------------------------------------------------------------------

def messages(folder):
    def fails(image, status, *words, options=()):
        out = folder / "wrong"
        expect_failure(retort("predict", "--model", folder / "model/best.safetensors", "--out", out,
                              *options, image, check=False), status, *words)
        expect(not out.exists() or not list(out.iterdir()), "something is left in %s" % out)
    whole = (folder / "scene.tif").read_bytes()
    (folder / "cut.tif").write_bytes(whole[:len(whole) // 2])
    fails(folder / "cut.tif", 1, "cut.tif", "damaged or truncated")
    (folder / "text.tif").write_text("no raster")
    fails(folder / "text.tif", 1, "text.tif", "nor a raster that GDAL reads")
    fails(folder / "nowhere.tif", 1, "nowhere.tif", "No such file")
    run("gdal_translate", "-q", "-b", 1, "-b", 2, folder / "scene.tif", folder / "two.tif")
    fails(folder / "two.tif", 2, "has 2 bands", "--bands")
    fails(folder / "scene.tif", 2, "band 4", "it has 3", options=("--bands", "1,2,4"))
    fails(folder / "scene.tif", 2, "8 bits", "leave --range out", options=("--range", "0,1"))
    fails(folder / "scene.tif", 2, "--bands takes", options=("--bands", "1,2"))
    fails(folder / "scene.tif", 2, "--range takes", options=("--range", "9,1"))
    fails(folder / "photo.png", 2, "--polygons takes rasters", options=("--polygons",))
    run("gdal_create", "-q", "-ot", "CFloat32", "-outsize", 9, 9, "-bands", 3, folder / "c.tif")
    fails(folder / "c.tif", 1, "complex")


def nothing_is_overwritten(folder):
    for name in ("scene.tif", "scene-probabilities.tif", "scene.gpkg"):
        out = folder / "kept"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        (out / name).write_text("precious")
        done = predict(folder, "kept", folder / "scene.tif", "--probabilities", "--polygons",
                       check=False)
        expect_failure(done, 2, name, "--force replaces it")
        expect([path.name for path in out.iterdir()] == [name], "something was written")
        expect((out / name).read_text() == "precious", "it was overwritten")
    (folder / "kept/scene.tif.aux.xml").write_text("<PAMDataset/>")
    predict(folder, "kept", folder / "scene.tif", "--probabilities", "--polygons", "--force")
    expect_same(folder / "kept/scene.tif", folder / "raster/scene.tif")
    expect("Categories:" in run("gdalinfo", folder / "kept/scene.tif").stdout, "an old companion")
    before = (folder / "scene.tif").read_bytes()
    done = retort("predict", "--model", folder / "model/best.safetensors", "--out", folder,
                  "--force", folder / "scene.tif", check=False)
    expect_failure(done, 2, "would overwrite it")
    expect((folder / "scene.tif").read_bytes() == before, "the scene was overwritten")


def interrupted(folder):
    """What is stopped half way leaves nothing."""
    run("gdal_translate", "-q", "-of", "VRT", "-outsize", 12000, 12000, folder / "scene.tif",
        folder / "long.vrt")
    out = folder / "stopped"
    with subprocess.Popen([PROGRAM, "predict", "--model", str(folder / "model/best.safetensors"),
                           "--out", str(out), str(folder / "long.vrt")], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as process:
        deadline = time.monotonic() + 60
        while not (out.exists() and list(out.iterdir())) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=120)[0]
    expect(process.returncode == 130 and "interrupted" in said, said)
    expect(not list(out.iterdir()), "left over: %s" % list(out.iterdir()))


def nothing_is_fetched(folder):
    """A raster that names others on a network: no connection is made."""
    server = socket.create_server(("127.0.0.1", 0))
    port, visits = server.getsockname()[1], []

    def serve():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            visits.append(connection)
            connection.close()
    threading.Thread(target=serve, daemon=True).start()
    wms = ("<GDAL_WMS><Service name='TMS'><ServerUrl>http://127.0.0.1:%d/${z}</ServerUrl></Service>"
           "<DataWindow><SizeX>256</SizeX><SizeY>256</SizeY></DataWindow><BandsCount>3</BandsCount>"
           "</GDAL_WMS>" % port)
    far = ["/vsicurl/http://127.0.0.1:%d/x.tif", "/vsicurl_streaming/http://127.0.0.1:%d/x.tif",
           "/vsis3/bucket/x.tif", "http://127.0.0.1:%d/x.tif", "NETCDF:\"http://127.0.0.1:%d/x\":v",
           wms.replace("%", "%%").replace("<", "&lt;").replace(">", "&gt;")]
    environment = {"AWS_S3_ENDPOINT": "127.0.0.1:%d" % port, "AWS_HTTPS": "NO",
                   "AWS_NO_SIGN_REQUEST": "YES", "AWS_VIRTUAL_HOSTING": "FALSE"}
    os.environ.update(environment)
    for number, name in enumerate(far):
        name = name % port if "%d" in name else name
        source = "".join("<VRTRasterBand dataType='Byte' band='%d'><SimpleSource><SourceFilename "
                         "relativeToVRT='0'>%s</SourceFilename><SourceBand>1</SourceBand>"
                         "</SimpleSource></VRTRasterBand>" % (band, name) for band in (1, 2, 3))
        path = folder / ("far-%d.vrt" % number)
        path.write_text("<VRTDataset rasterXSize='100' rasterYSize='100'>%s</VRTDataset>" % source)
        done = predict(folder, "far", path, check=False)
        expect(done.returncode == 1, "%s: %s" % (name, done.stdout))
    (folder / "wms.xml").write_text(wms)
    predict(folder, "far", folder / "wms.xml", check=False)
    time.sleep(0.2)
    expect(not visits, "%d connections were made" % len(visits))
    for trap in ("far-0.vrt", "far-1.vrt", "far-2.vrt", "far-5.vrt"):  # GDAL walks into them
        before = len(visits)
        run("gdal_translate", "-q", folder / trap, folder / "x.tif", check=False)
        time.sleep(0.2)
        expect(len(visits) > before, "%s is no trap" % trap)
    server.close()


# --- training -------------------------------------------------------------------------------------

def make_sets(folder):
    """The same four scenes and masks: PNG, 16-bit GeoTIFF with class rasters, and with RGB masks."""
    for number in range(4):
        write_pair(folder / "png", "scene%d" % number, 130, 96, 311 * number, 57 * number)
    for kind in ("deep", "painted"):
        for part in ("images", "masks"):
            (folder / kind / part).mkdir(parents=True)
        for image in (folder / "png/images").iterdir():
            run("gdal_translate", "-q", "-ot", "UInt16", "-scale", 0, 255, 0, 5100, image,
                folder / kind / "images" / (image.stem + ".tif"))
    for mask in (folder / "png/masks").iterdir():
        colours = samples(mask)
        count = len(colours) // 3
        indices = bytes(COLOURS.index(tuple(colours[i::count])) for i in range(count))
        (folder / "mask.pgm").write_bytes(b"P5 130 96 255\n" + indices)
        run("gdal_translate", "-q", folder / "mask.pgm", folder / "deep/masks" / (mask.stem + ".tif"))
        run("gdal_translate", "-q", mask, folder / "painted/masks" / (mask.stem + ".tif"))


def train(folder, data, out, *options):
    retort("train", "--data", folder / data, "--model", "unet:2,depth=2", "--patch", 32, "--epochs",
           2, "--batch", 4, "--out", folder / out, *options)
    rows = (folder / out / "log.csv").read_text().splitlines()[1:]
    return [row.split(",")[:5] for row in rows]


def training_sees_what_prediction_sees(folder):
    make_sets(folder)
    survey = retort("data", folder / "deep").stdout
    expect("class raster" in survey and "range " in survey, survey)
    expect("rgb raster" in retort("data", folder / "painted").stdout, "RGB masks")
    png = train(folder, "png", "run-png")
    expect(train(folder, "painted", "run-given", "--range", "0,5100") == png,
           "16-bit rasters whose range makes them the PNG files train otherwise")
    train(folder, "deep", "run-measured")
    view = json.loads(model_header(folder / "run-measured/best.safetensors"))["view"]
    told = re.search(r"range +(.*)", survey).group(1).replace(" to ", ",").replace(" ", "").split(",")
    stored = [value for pair in zip(view["low"], view["high"]) for value in pair]
    expect([float(value) for value in told] == stored, "%s is stored, %s told" % (stored, told))
    image = folder / "deep/images/scene1.tif"
    model = folder / "run-measured/best.safetensors"
    retort("predict", "--model", model, "--out", folder / "kept-range", image)
    retort("predict", "--model", model, "--out", folder / "told-range", "--range", ",".join(told),
           image)
    expect_same(folder / "kept-range/scene1.tif", folder / "told-range/scene1.tif")
    retort("eval", "--model", model, "--out", folder / "judged")
    retort("distill", "--data", folder / "deep", "--teacher", model, "--model", "unet:1,depth=1",
           "--patch", 32, "--epochs", 1, "--batch", 4, "--out", folder / "student")
    learnt = json.loads(model_header(folder / "student/best.safetensors"))["view"]
    expect(learnt == view, "the student sees otherwise than its teacher")
    expect_failure(retort("data", "--range", "0,9", folder / "png", check=False), 2, "--range out")


def large(folder):
    """400 million pixels of 16 bits in less than 1 GB, and in steps that end."""
    run("gdal_translate", "-q", "-ot", "UInt16", "-scale", 0, 255, 0, 5100, "-outsize", 20000, 20000,
        "-co", "TILED=YES", "-co", "COMPRESS=DEFLATE", "-co", "ZLEVEL=1", folder / "scene.tif",
        folder / "large.tif")
    started = time.monotonic()
    # its own memory, not that of GDAL's tool before it
    child = subprocess.Popen([PROGRAM, "predict", "--model", folder / "model/best.safetensors", "--out",
                              folder / "large", folder / "large.tif", "--range", "0,5100", "--cog"])
    _, status, usage = os.wait4(child.pid, 0)
    expect(status == 0, "retort predict ends with %d" % status)
    seconds = time.monotonic() - started
    peak = usage.ru_maxrss / 1024
    print("%.0f s, %.1f Mpixel/s, %.0f MiB resident" % (seconds, 400 / seconds, peak))
    expect(peak < 1e9 / 2**20, "%.0f MiB resident" % peak)
    expect(info(folder / "large/large.tif")["size"] == [20000, 20000], "the size")


TESTS = (place_classes_and_colours, photo_and_raster_agree, probabilities_are_bands, nodata_stays,
         cloud_optimised, bands_in_any_order, more_bits, odd_sizes, grid_hardly_matters, messages,
         nothing_is_overwritten, interrupted, nothing_is_fetched, training_sees_what_prediction_sees)


def main():
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing or os.environ.get("RETORT_GDAL") != "1":
        print("not tested: %s" % (" and ".join(missing) + " missing" if missing
                                  else "retort was built without GDAL"))
        return 1 if os.environ.get("CI") == "true" else 77
    failures = 0
    with tempfile.TemporaryDirectory(prefix="retort-gis-") as name:
        folder = pathlib.Path(name)
        prepare(folder)
        if sys.argv[1:] == ["--measure"]:
            for overlap in (0, 8, 16, 24, 31):
                print(overlap, differences(folder, "scene.tif", 21, "--overlap", overlap))
            return 0
        for test in (large,) if sys.argv[1:] == ["--large"] else TESTS:
            started = time.monotonic()
            try:
                test(folder)
                verdict = "[       OK ]"
            except AssertionError as error:
                print(error)
                verdict, failures = "[  FAILED  ]", failures + 1
            print("%s %s (%.1f s)" % (verdict, test.__name__, time.monotonic() - started))
    return 1 if failures else 0


sys.exit(main())
