#!/usr/bin/env python3
"""The report in a browser: a teacher, a student alone and a student distilled, in a headless Chromium.
The program is $RETORT_PROGRAM. Skipped where there is no Chromium, a failure with CI=true.

usage: page.py [OUT]     keeps the runs and the report in the folder OUT
"""
import atexit
import csv
import html
import io
import json
import math
import os
import pathlib
import re
import shutil
import shlex
import subprocess
import sys
import tempfile
import time
import urllib.parse

import browser
import checks
from run_files import expect_same_run

RETORT = os.environ["RETORT_PROGRAM"]
RUNS = {"teacher": "teacher", "student alone": "student/control", "student distilled": "student"}
COMMON = ("--data", "synth:1", "--split", "patch", "--patch", "64", "--batch", "16", "--augment",
          "--epochs", "3")
STUDENT = ("--model", "unet:2,depth=1,norm=batch", "--masks", "0.5", "--teacher",
           "teacher/best.safetensors", "--control", "--out", "student")
CONTRAST = 4.5  # WCAG 2, level AA
EDGE = 12  # pixels at which a round corner is smoothed


def retort(*arguments, cwd):
    done = subprocess.run([RETORT, *map(str, arguments)], cwd=cwd, capture_output=True, text=True,
                          env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"), check=False)
    assert done.returncode == 0, "retort %s: %s" % (" ".join(map(str, arguments)), done.stderr)


def read_json(path):
    return json.loads((FOLDER / path).read_text())


def metrics(role):
    return read_json(RUNS[role] + "/eval/metrics.json")


def expect_quiet(page):
    """Nothing was said to the console, and nothing asked for but the page and what is in it."""
    said = TAB.named("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown",
                     "Page.javascriptDialogOpening")
    assert not said, "the console has %s" % said
    asked = [request["request"]["url"] for request in TAB.named("Network.requestWillBeSent")]
    others = [url for url in asked if not url.startswith("data:") and url != "file://%s" % page]
    assert not others, "the page asks for %s" % others


# --- what is on it ------------------------------------------------------------------------------


def it_opens_without_errors_or_requests():
    TAB.open(PAGE)
    TAB.evaluate("new Promise(done => setTimeout(done, 300))")
    expect_quiet(PAGE)


def what_it_has_is_named_for_all():
    """Headings in their order, captions, scopes, texts for pictures, labels, no id twice."""
    faults = TAB.evaluate("""(() => {
        const faults = [], all = what => [...document.querySelectorAll(what)];
        const fault = (what, e) => faults.push(what + ": " + e.outerHTML.slice(0, 120));
        let level = 0;
        for (const heading of all("h1, h2, h3, h4")) {
            if (heading.tagName[1] > level + 1) fault("a level is skipped", heading);
            level = +heading.tagName[1];
        }
        if (all("h1").length !== 1) faults.push("not one h1");
        for (const table of all("table"))
            if (!table.caption) fault("no caption", table);
        for (const cell of all("th"))
            if (!["row", "col"].includes(cell.scope)) fault("no scope", cell);
        for (const picture of all("img:not(.over)"))
            if (!picture.alt || !picture.naturalWidth) fault("no text or no picture", picture);
        for (const picture of all("svg"))
            if (!picture.ariaLabel && picture.ariaHidden !== "true") fault("no text", picture);
        for (const input of all("input"))
            if (!input.ariaLabel && !input.labels.length) fault("no label", input);
        for (const link of all("nav a, .brand"))
            if (!document.querySelector(link.hash)) fault("leads nowhere", link);
        for (const section of all("section"))
            if (!document.getElementById(section.getAttribute("aria-labelledby")))
                fault("no heading", section);
        for (const e of all("[id]"))
            if (all("#" + e.id).length > 1) fault("twice", e);
        return faults;
    })()""")
    assert not faults, "\n".join(faults)
    counts = TAB.evaluate("""['.cards .card', '.bars tbody tr', '#training .chart', '#curves .chart',
        '.confusion', '.patch', '.patch .frame img:not(.over)', '.wipe input', 'details']
        .map(what => document.querySelectorAll(what).length)""")
    classes = metrics("teacher")["classes"]
    seen = sum(c["support"] > 0 for c in classes)
    patches = len(read_json("teacher/eval/panels.json")["panels"])
    assert patches == 10
    assert counts == [3, len(classes), 4, seen, 3, patches, 5 * patches, patches, 4], counts


def its_figures_are_those_of_the_runs():
    cells = TAB.evaluate("""[...document.querySelectorAll('.comparison tbody tr')].map(row =>
        [...row.cells].map(cell => cell.textContent))""")
    rows = {row[0]: row[1:] for row in cells}
    judged = [metrics(role) for role in RUNS]
    assert rows["mean IoU"] == ["%.3f" % m["mean_iou"] for m in judged], rows
    assert rows["accuracy"] == ["%.1f\xa0%%" % (100 * m["accuracy"]) for m in judged], rows
    assert [cell.replace("\u202f", "") for cell in rows["parameters"]] == \
        ["%d" % m["parameters"] for m in judged], rows
    assert rows["size of the weights"] == ["%.1f\xa0kB" % (m["bytes"] / 1e3) for m in judged], rows
    lead = TAB.evaluate("document.querySelector('.lead').textContent")
    assert "%.3f" % judged[2]["mean_iou"] in lead, lead
    ious = TAB.evaluate("""[...document.querySelectorAll('.bars tbody tr')].map(row =>
        [...row.querySelectorAll('.bar span')].map(cell => cell.textContent))""")
    for row, *of_runs in zip(ious, *(m["classes"] for m in judged)):
        assert row == ["–" if c["iou"] is None else "%.3f" % c["iou"] for c in of_runs], row


def chance_is_not_bold():
    """The students are one network, and none of them is the faster one; but one is the better."""
    bold = dict(TAB.evaluate("""[...document.querySelectorAll('.comparison tbody tr')].map(row =>
        [row.cells[0].textContent, [...row.cells].slice(1).map(cell => cell.className === 'best')])"""))
    teacher, alone, distilled = map(metrics, RUNS)
    for name, key in (("time per image", "milliseconds_per_image"),
                      ("images per second", "milliseconds_per_image"),
                      ("memory to predict", "peak_device_bytes")):
        best = min(alone[key], distilled[key])
        assert bold[name] == [teacher[key] < best] + 2 * [best < teacher[key]], (name, bold)
    ious = [m["mean_iou"] for m in (teacher, alone, distilled)]
    assert bold["mean IoU"] == [iou == max(ious) for iou in ious], bold
    caption = TAB.evaluate("document.querySelector('.comparison caption').textContent")
    assert "Runs of one network are as fast as each other" in caption, caption


# --- tables to save -----------------------------------------------------------------------------


def table_of(name):
    """The rows that the link of this name saves."""
    link = TAB.evaluate("document.querySelector('a[download=\"%s.csv\"]').href" % name)
    kind, text = link.split(",", 1)
    assert kind == "data:text/csv;charset=utf-8", kind
    return list(csv.DictReader(io.StringIO(urllib.parse.unquote(text, errors="strict"))))


def expect_near(seen, expected, digits=6):
    if expected is None or math.isnan(expected):
        assert seen == "nan", (seen, expected)
    else:
        assert abs(float(seen) - expected) <= abs(expected) * 10 ** (1 - digits), (seen, expected)


def rows_of_file(path):
    return list(csv.DictReader(io.StringIO((FOLDER / path).read_text())))


def tables_hold_the_runs_numbers():
    judged = {role: metrics(role) for role in RUNS}
    for row in table_of("comparison"):
        if row["measure"] in judged["teacher"]:
            for role in RUNS:
                expect_near(row[role], judged[role][row["measure"]])
    rows = table_of("classes")
    assert len(rows) == 3 * len(judged["teacher"]["classes"])
    for row in rows:
        own = next(c for c in judged[row["run"]]["classes"] if c["name"] == row["class"])
        assert int(row["pixels"]) == own["support"], row
        for name in ("iou", "precision", "recall", "f1", "average_precision"):
            expect_near(row[name], own[name])
    for role, run in RUNS.items():
        log = rows_of_file(run + "/log.csv")
        rows = table_of("training-" + role.replace(" ", "-"))
        assert len(rows) == len(log) == 3
        for row, own in zip(rows, log):
            for name, value in row.items():
                expect_near(value, float(own[name]), 8)
        scores = [row["val_mean_iou"] for row in table_of("mean-iou") if row["run"] == role]
        for score, own in zip(scores, log, strict=True):
            expect_near(score, float(own["val_mean_iou"]), 8)
        names = [c["name"] for c in judged[role]["classes"]]
        rows = table_of("confusion-" + role.replace(" ", "-"))
        assert len(rows) == len(names) ** 2
        for row in rows:
            own = judged[role]["confusion"][names.index(row["truth"])]
            assert int(row["pixels"]) == own[names.index(row["predicted"])], row
        curves = rows_of_file(run + "/eval/precision_recall.csv")
        for name in (c["name"] for c in judged[role]["classes"] if c["support"]):
            for row, own in zip(table_of("precision-recall-" + name), curves, strict=True):
                expect_near(row["threshold"], float(own["threshold"]))
                expect_near(row[role + " recall"], float(own[name + " recall"]))
                expect_near(row[role + " precision"], float(own[name + " precision"]))


def every_figure_has_a_table():
    missing = TAB.evaluate("""[...document.querySelectorAll('.chart, table:not(.settings)')]
        .filter(figure => !figure.querySelector('a.csv')).map(figure => figure.textContent)""")
    assert not missing, missing


def a_link_saves_a_file():
    folder = FOLDER / "saved"
    folder.mkdir()
    TAB.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    TAB.click("a[download='classes.csv']")
    TAB.wait_for("Page.downloadWillBegin")
    while not any(event["state"] == "completed" for event in TAB.named("Page.downloadProgress")):
        TAB.receive()
    saved = list(csv.DictReader(io.StringIO((folder / "classes.csv").read_text())))
    assert saved == table_of("classes"), "classes.csv is not what the link holds"


# --- patches ------------------------------------------------------------------------------------


def clip():
    """How far truth covers the first prediction, per cent, for every prediction of the patch."""
    texts = TAB.evaluate("""[...document.querySelectorAll('.patch:first-of-type .over')]
        .map(over => getComputedStyle(over).clipPath)""")
    assert len(texts) == 3 and len(set(texts)) == 1, texts
    inset = re.fullmatch(r"inset\(0px calc\((.+)% - (.+)%\) 0px 0px\)|inset\(0px ([\d.]+)%.*\)", texts[0])
    assert inset, texts[0]
    return 100 - (float(inset[3]) if inset[3] else float(inset[1]) - float(inset[2]))


def is_so_soon(check, seconds=5):
    """A picture may be taken before what was done is drawn."""
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            return False
    return True


def the_slider_works_by_keyboard():
    TAB.open(PAGE)
    assert clip() == 0
    TAB.evaluate("document.querySelector('.patch .wipe input').focus()")
    for _ in range(3):
        TAB.press("ArrowRight")
    assert clip() == 3, clip()
    TAB.press("End")
    assert clip() == 100, clip()
    assert is_so_soon(lambda: TAB.picture(".patch .stage", EDGE) ==
                      TAB.picture(".patch .truth .frame", EDGE)), \
        "where truth lies over a prediction, truth is not seen"
    TAB.press("Home")
    assert clip() == 0, clip()
    assert is_so_soon(lambda: TAB.picture(".patch .stage", EDGE) !=
                      TAB.picture(".patch .truth .frame", EDGE))
    text = TAB.evaluate("document.querySelector('.patch .wipe input').getAttribute('aria-valuetext')")
    assert text == "0 % truth", text


def a_drag_moves_the_slider():
    x, y, width, height = TAB.box(".patch .stage")
    TAB.move(x + width / 2, y + height / 2)
    said = TAB.evaluate("document.querySelector('.patch output').value")
    names = [c["name"] for c in metrics("teacher")["classes"]]
    parts = dict(part.split(": ") for part in said.split(" · "))
    assert list(parts) == ["truth", *RUNS] and set(parts.values()) <= set(names), said
    assert clip() == 0
    for kind in ("mousePressed", "mouseReleased"):
        TAB.call("Input.dispatchMouseEvent", type=kind, x=x + width / 4, y=y + height / 2,
                 button="left", buttons=1 if kind == "mousePressed" else 0, clickCount=1)
    assert abs(clip() - 25) < 1, clip()


def the_toggle_works_by_keyboard():
    TAB.evaluate("document.querySelector('input[name=view]').focus()")
    TAB.press("ArrowRight")
    covers = "[...document.querySelectorAll('.wipe input')].every(wipe => wipe.value === '%s')"
    assert TAB.evaluate(covers % 100)
    assert clip() == 100
    TAB.press("ArrowLeft")
    assert TAB.evaluate(covers % 0)
    assert clip() == 0


def mistakes_are_marked():
    """As many pixels as were counted when the panels were made."""
    visible = "getComputedStyle(document.querySelector('.stage canvas')).visibility"
    assert TAB.evaluate(visible) == "hidden"
    TAB.evaluate("document.getElementById('mistakes').focus()")
    TAB.press(" ")
    assert TAB.evaluate(visible) == "visible"
    counts = TAB.evaluate("""[...document.querySelectorAll('.patch')].map(patch =>
        [...patch.querySelectorAll('canvas')].map(canvas => +canvas.dataset.count))""")
    lists = [read_json(run + "/eval/panels.json")["panels"] for run in RUNS.values()]
    for seen, *panels in zip(counts, *lists, strict=True):
        assert seen == [panel["known"] - panel["right"] for panel in panels], seen
    assert any(map(any, counts))


# --- looks --------------------------------------------------------------------------------------


def background():
    return TAB.evaluate("getComputedStyle(document.documentElement).backgroundColor")


def expect_contrast():
    """Every text against what is behind it."""
    faults = TAB.evaluate("""(() => {
        const parse = color => { const p = color.match(/[\\d.]+/g).map(Number);
            return p.length < 4 ? [...p, 1] : p; };
        const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3]));
        const light = color => color.map(v => v / 255).map(v =>
            v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
        const behind = e => e ? over(parse(getComputedStyle(e).backgroundColor), behind(e.parentElement))
            : [255, 255, 255];
        const faults = [];
        for (const e of document.querySelectorAll("body *")) {
            const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
            if (!own || !e.checkVisibility() || e.closest("script")) continue;
            const style = getComputedStyle(e), back = behind(e);
            const text = e.closest("svg") ? style.fill : style.color;
            const [a, b] = [light(over(parse(text), back)), light(back)].sort((a, b) => b - a);
            const contrast = (a + 0.05) / (b + 0.05);
            if (contrast < %g) faults.push(contrast.toFixed(2) + " " + e.textContent.slice(0, 40));
        }
        return faults;
    })()""" % CONTRAST)
    assert not faults, "too little contrast: %s" % faults[:9]


def it_follows_the_system_and_the_switch():
    state = "document.getElementById('theme').getAttribute('aria-pressed')"
    for dark in (False, True):
        TAB.open(PAGE, dark=dark)
        own = background()
        assert (own == "rgb(255, 255, 255)") == (not dark), own
        assert TAB.evaluate(state) == json.dumps(dark)
        expect_contrast()
        TAB.click("#theme")
        assert TAB.evaluate(state) == json.dumps(not dark)
        assert (background() == "rgb(255, 255, 255)") == dark, background()
        expect_contrast()
        TAB.click("#theme")
        assert background() == own


def nothing_is_wider_than_a_phone():
    """But what scrolls in a place of its own."""
    for width in (320, 360, 412, 768):
        TAB.open(PAGE, width=width)
        own = TAB.evaluate("document.documentElement.scrollWidth")
        assert own == width, "the page is %d pixels wide on a screen of %d" % (own, width)
        wide = TAB.evaluate("""[...document.querySelectorAll("main *, footer *")].filter(e =>
            !e.closest(".wide, pre, .over, thead") && e.checkVisibility() &&
            e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.outerHTML.slice(0, 99))""")
        assert not wide, wide
    TAB.open(PAGE, width=360)
    scrolls = TAB.evaluate("""[...document.querySelectorAll("#summary .wide, #classes .wide")]
        .filter(e => e.scrollWidth > e.clientWidth).length""")
    assert scrolls == 0, "the summary does not fit a phone"


def it_prints_on_light_paper():
    TAB.open(PAGE, dark=True)
    paper = TAB.print()
    boxes = {tuple(map(float, box.split())) for box in re.findall(rb"/MediaBox \[([^\]]+)\]", paper)}
    pages = len(re.findall(rb"/Type /Page\b", paper))
    assert 4 <= pages <= 9, "%d pages" % pages
    assert all(abs(box[2] - 595) < 2 and abs(box[3] - 842) < 2 for box in boxes), boxes
    if len(sys.argv) > 1:
        (FOLDER / "report.pdf").write_bytes(paper)
    TAB.call("Emulation.setEmulatedMedia", media="print")
    TAB.call("Emulation.setDeviceMetricsOverride", width=688, height=900, deviceScaleFactor=1,
             mobile=False)
    assert background() == "rgb(255, 255, 255)", background()
    expect_contrast()
    hidden = TAB.evaluate("""['.top', '.controls', '.wipe', '.csv'].filter(what =>
        document.querySelector(what).checkVisibility())""")
    assert not hidden, "%s are of no use on paper" % hidden
    cut = TAB.evaluate("""[...document.querySelectorAll(".wide, pre, main")].filter(e =>
        e.checkVisibility() && e.scrollWidth > e.clientWidth + 1).map(e => e.textContent.slice(0, 60))""")
    assert not cut, "paper cuts off %s" % cut


def without_a_script_all_is_there_but_the_controls():
    TAB.call("Emulation.setScriptExecutionDisabled", value=True)
    TAB.open(PAGE)
    shown = TAB.evaluate("""['.patch .stage img', '.chart svg', '.bars', 'a.csv', '#theme', '.controls', '.wipe']
        .map(what => document.querySelector(what).checkVisibility())""")
    TAB.call("Emulation.setScriptExecutionDisabled", value=False)
    assert shown == [True] * 4 + [False] * 3, shown


# --- what it must not do ------------------------------------------------------------------------


def nothing_gets_out_and_nothing_gets_in():
    """The policy forbids what a page that was tampered with would try."""
    TAB.open(PAGE)
    TAB.events.clear()
    refused = TAB.evaluate("""new Promise(done => {
        const refused = [];
        document.addEventListener("securitypolicyviolation", event => {
            refused.push(event.effectiveDirective);
            if (refused.length === 4) done(refused.sort());
        });
        document.body.append(Object.assign(new Image(), {src: "http://127.0.0.1:9/a.png"}));
        document.body.append(Object.assign(document.createElement("script"), {textContent: "window.x = 1"}));
        document.body.append(Object.assign(document.createElement("link"),
            {rel: "stylesheet", href: "http://127.0.0.1:9/a.css"}));
        fetch("http://127.0.0.1:9/").catch(() => 0);
    })""")
    assert refused == ["connect-src", "img-src", "script-src-elem", "style-src-elem"], refused
    assert TAB.evaluate("typeof x") == "undefined", "a script of another hash runs"
    sent = TAB.named("Network.responseReceived", "Network.loadingFinished")
    assert not sent, sent


def names_are_texts():
    """Whatever the classes, the images and the data are called."""
    evil = "<img src=x onerror=alert(1)></script><script>alert(2)</script>\"'&"
    for run in RUNS.values():
        (FOLDER / "evil" / run).mkdir(parents=True, exist_ok=True)
        shutil.copytree(FOLDER / run / "eval", FOLDER / "evil" / run / "eval")
        shutil.copy(FOLDER / run / "log.csv", FOLDER / "evil" / run)
        config = read_json(run + "/config.json")
        config.update(device=evil, data=evil, network=evil, transfer=evil)
        (FOLDER / "evil" / run / "config.json").write_text(json.dumps(config))
        path = FOLDER / "evil" / run / "eval"
        judged = json.loads((path / "metrics.json").read_text())
        judged["network"] = evil
        judged["classes"][1]["name"] = evil
        (path / "metrics.json").write_text(json.dumps(judged))
        panels = json.loads((path / "panels.json").read_text())
        panels["panels"][0]["image"] = evil
        (path / "panels.json").write_text(json.dumps(panels))
    retort("report", "teacher", "student", "--out", "page.html", cwd=FOLDER / "evil")
    page = FOLDER / "evil" / "page.html"
    TAB.open(page)
    TAB.evaluate("document.getElementById('mistakes').click()")
    expect_quiet(page)
    texts = TAB.evaluate("""['.bars tbody tr:nth-child(2) th', '.patch h3', '.legend.classes li:nth-child(2)',
        'details:last-of-type']
        .map(what => document.querySelector(what).textContent)""")
    assert all(evil in text for text in texts[:3]), texts
    assert TAB.evaluate("document.querySelectorAll('img[src=x], script').length") == 1


def its_commands_make_it_again():
    text = (FOLDER / "report.html").read_text()
    commands = html.unescape(re.search(r"<pre[^>]*>(.*?)</pre>", text, re.S)[1])
    again = FOLDER / "again"
    again.mkdir()
    subprocess.run(["sh", "-euc", "retort() { %s \"$@\"; }\n%s" % (shlex.quote(RETORT), commands)],
                   cwd=again, check=True, capture_output=True)
    for run in RUNS.values():
        expect_same_run(FOLDER / run, again / run)
    assert (again / "report.html").exists()


def it_is_as_large_as_its_pictures():
    pictures = sum(path.stat().st_size for role, run in RUNS.items()
                   for path in (FOLDER / run / "eval").glob("panel-??-*.png")
                   if "prediction" in path.name or role == "teacher")
    size = (FOLDER / "report.html").stat().st_size
    print("the report has %d KiB, its pictures %d" % (size // 1024, pictures // 1024))
    assert size < pictures * 4 / 3 + 300 * 1024, size


program = browser.find()
if not program:
    print("no Chromium: tools/setup test installs chromium-headless-shell")
    sys.exit(1 if os.environ.get("CI") == "true" else checks.SKIPPED)
if len(sys.argv) > 1:
    FOLDER = pathlib.Path(sys.argv[1]).resolve()
    FOLDER.mkdir()
else:
    scratch = tempfile.TemporaryDirectory(prefix="retort-page-")
    FOLDER = pathlib.Path(scratch.name)
    atexit.register(scratch.cleanup)
PAGE = FOLDER / "report.html"
profile = tempfile.TemporaryDirectory(prefix="retort-browser-", ignore_cleanup_errors=True)
atexit.register(profile.cleanup)
retort("train", *COMMON, "--model", "unet:4,depth=1,norm=batch", "--out", "teacher", cwd=FOLDER)
retort("distill", *COMMON, *STUDENT, cwd=FOLDER)
retort("report", "teacher", "student", "--out", "report.html", cwd=FOLDER)
TAB = browser.Browser(program, profile.name)
atexit.register(TAB.close)
checks.main([
    it_opens_without_errors_or_requests,
    what_it_has_is_named_for_all,
    its_figures_are_those_of_the_runs,
    chance_is_not_bold,
    tables_hold_the_runs_numbers,
    every_figure_has_a_table,
    a_link_saves_a_file,
    the_slider_works_by_keyboard,
    a_drag_moves_the_slider,
    the_toggle_works_by_keyboard,
    mistakes_are_marked,
    it_follows_the_system_and_the_switch,
    nothing_is_wider_than_a_phone,
    it_prints_on_light_paper,
    without_a_script_all_is_there_but_the_controls,
    nothing_gets_out_and_nothing_gets_in,
    names_are_texts,
    its_commands_make_it_again,
    it_is_as_large_as_its_pictures,
])
