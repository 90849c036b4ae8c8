#!/usr/bin/env python3
"""What explains and completes the command line, against those that read it: man, mandoc, bash, zsh and
fish. The program is $RETORT_PROGRAM, and $RETORT_PAGES the folder of what the build made of it.

usage: cmdline.py
"""
import json
import os
import pathlib
import pty
import re
import shutil
import subprocess
import tempfile

import checks
from pictures import write_png
from run_files import SMALL, expect_same_logs

RETORT = os.environ["RETORT_PROGRAM"]
PAGES = pathlib.Path(os.environ["RETORT_PAGES"])
FAST = SMALL + ("--epochs", "2")


def has(program):
    """Whether it is installed; in CI it must be."""
    if shutil.which(program):
        return True
    assert os.environ.get("CI") != "true", "%s is not installed; tools/setup test installs it" % program
    print("             %s is not installed: not tested" % program)
    return False


def help_of(command):
    return checks.run(RETORT, "help", command)[0]


def options_of(command):
    return re.findall(r"^  (--[a-z-]+)", help_of(command), re.M)


def section(text, title):
    """The indented lines below `title:`."""
    found = re.search(r"^%s:\n((?:  .*\n)+)" % title, text, re.M)
    assert found, "there is no '%s' in\n%s" % (title, text)
    return found[1]


def commands():
    return re.findall(r"^  ([a-z-]+)  ", section(checks.run(RETORT, "help")[0], "Commands"), re.M)


# --- help -----------------------------------------------------------------------------------


def help_has_all_its_parts_in_80_columns():
    for command in commands():
        text = help_of(command)
        assert text.startswith("usage: retort %s" % command), text
        for title in ("General", "Exit status", "Environment", "See also", "Examples"):
            section(text, title)
        assert not re.search(r"^[^ ].*[^:]\n  --", text, re.M), "options without a heading: " + text
        for line in (text + checks.run(RETORT, "help")[0]).splitlines():
            assert len(line) <= 80, "%s: %s" % (command, line)
        for other in re.findall(r"retort help (\S+)", section(text, "See also")):
            assert other.rstrip(",") in commands(), "%s refers to %s" % (command, other)


def texts_are_as_they_were_written():
    """What stands in lines of its own stays so, and what stands in brackets is not torn."""
    lines = ("inc.conv       = down.0     # a module and all in it",
             "enc.*.conv     = down.*     # a * is a whole number, the same on both sides",
             "aux            = -          # left out")
    assert "\n\n  " + "\n  ".join((*lines[:2], "out.weight     = head.weight", lines[2])) + "\n\n" in \
        help_of("import"), help_of("import")
    assert "\n[batch, classes, height, width]. Its" in help_of("export"), help_of("export")
    if has("man"):
        shown = checks.run("man", "-E", "ascii", "-l", PAGES / "retort-import.1", MANPAGER="cat",
                           MANWIDTH="80")[0]
        assert all("\n           %s\n" % line in shown for line in lines), shown


def examples():
    """Every one of them, as it is shown."""
    for text in [checks.run(RETORT, "help")[0]] + [help_of(command) for command in commands()]:
        shown = section(text, "Examples").replace("\\\n", "")
        yield from re.findall(r"^    (\S.*)$", shown, re.M)


def examples_are_understood():
    shell = 'retort() { "$RETORT_PROGRAM" check-usage "$@"; }; watch() { test "$1" = tail; }; '
    count = 0
    for example in examples():
        checks.run("sh", "-c", "cd %s; %s" % (FOLDER, shell) + example, HOME=str(FOLDER))
        count += 1
    assert count > 20, count
    _, error = checks.run(RETORT, "check-usage", "train", "--out", "x", "--epcohs", "3", status=2)
    assert "did you mean --epochs?" in error, error


def examples_that_need_nothing_work():
    ran = 0
    for example in set(examples()):
        if re.match(r"retort (devices$|data synth|tune --show|help|completion)", example):
            checks.run("sh", "-c", 'retort() { "$RETORT_PROGRAM" "$@"; }; cd %s; ' % FOLDER + example,
                       HOME=str(FOLDER))
            ran += 1
    assert ran >= 5, ran


# --- man ------------------------------------------------------------------------------------


def pages_for_man_are_those_of_the_program():
    names = {path.stem for path in PAGES.glob("*.1")}
    assert names == {"retort"} | {"retort-" + command for command in commands()}, names
    for name in names:
        made = checks.run(RETORT, "manual", *name.split("-")[1:])[0]
        assert made == (PAGES / (name + ".1")).read_text(), name + ".1 is another's"


def pages_for_man_are_without_a_warning():
    for page in PAGES.glob("*.1"):
        if has("man"):
            _, error = checks.run("man", "--warnings", "-E", "UTF-8", "-l", page, MANPAGER="cat")
            assert not error, error
        if has("mandoc"):
            found, error = checks.run("mandoc", "-Tlint", "-W", "style", page)
            assert not found + error, found + error


def pages_for_man_name_every_option():
    if not has("man"):
        return
    for command in commands():
        shown = checks.run("man", "-E", "ascii", "-l", PAGES / ("retort-%s.1" % command),
                           MANPAGER="cat", MANWIDTH="200")[0]
        described = shown[shown.index("\nOPTIONS\n"):shown.index("\nEXAMPLES\n")]
        named = re.findall(r"^ +(--[a-z-]+)", described, re.M)
        assert named == options_of(command), "%s: %s" % (command, named)
        for title in ("NAME", "SYNOPSIS", "OPTIONS", "EXAMPLES", "EXIT STATUS", "ENVIRONMENT"):
            assert re.search("^%s$" % title, shown, re.M), "%s has no %s" % (command, title)


# --- bash -----------------------------------------------------------------------------------


def complete_in_bash(*words):
    """What bash offers for the last of the words, which are those of a line that it has broken."""
    script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); ' \
        '_retort "$1" "${COMP_WORDS[COMP_CWORD]}"; printf "%s\\n" "${COMPREPLY[@]}"'
    out, error = checks.run("bash", "-c", script, "bash", PAGES / "retort.bash", *words)
    assert not error, error
    return [line for line in out.splitlines() if line]


def bash_completes():
    if not has("bash"):
        return
    tool = RETORT
    assert complete_in_bash(tool, "tr") == ["train"]
    assert set(commands()) < set(complete_in_bash(tool, ""))
    assert complete_in_bash("retort", "help", "dist") == ["distill"]
    for command in commands():
        assert complete_in_bash("retort", command, "--") == options_of(command), command
    assert complete_in_bash("retort", "train", "--loss", "d") == ["dice", "dice+focal"]
    assert complete_in_bash("retort", "train", "--loss", "=", "fo") == ["focal"]
    assert complete_in_bash("retort", "train", "--loss", "=") == ["ce", "dice", "focal", "dice+focal"]
    assert complete_in_bash("retort", "train", "--epochs", "") == []
    assert complete_in_bash("retort", "completion", "f") == ["fish"]
    (FOLDER / "some photos").mkdir()
    (FOLDER / "some file").touch()
    some = str(FOLDER / "some")
    assert complete_in_bash("retort", "train", "--out", some) == [some + " photos"]
    assert sorted(complete_in_bash("retort", "predict", "--force", some)) == [
        some + " file", some + " photos"]
    assert "synth" in complete_in_bash("retort", "train", "--data", "sy")


def device():
    """The first device."""
    devices = json.loads(checks.run(RETORT, "devices", "--json")[0])
    assert devices or os.environ.get("CI") != "true", "there is no OpenCL device"
    return devices[0] if devices else None


def bash_completes_devices():
    if not has("bash") or not device():
        return
    offered = complete_in_bash(RETORT, "bench", "--device", "")
    assert {"0", device()["type"]} < set(offered), offered
    for word in offered:  # as the user gets it, with spaces and brackets
        checks.run("bash", "-c", '"$RETORT_PROGRAM" tune --show --device %s' % word)


# --- zsh and fish ---------------------------------------------------------------------------


def zsh_completes():
    """In a terminal of its own: completion works in zsh's line editor alone."""
    if not has("zsh"):
        return
    checks.run("zsh", "-n", PAGES / "_retort")
    script = """
        zmodload zsh/zpty
        zpty z zsh -f -i
        zpty -w z 'PS1=; fpath=($PAGES $fpath); autoload -Uz compinit; compinit -u -d $FOLDER/dump'
        zpty -w z "zstyle ':completion:*' list-separator '#'; LISTMAX=1000; unsetopt list_ambiguous"
        zpty -w z 'bindkey "^X" list-choices; print -r -- rea""dy'
        zpty -r -m z shown '*ready*' || exit 3
        zpty -w -n z "$LINE_TYPED"$'\\x18'
        repeat 100; do
            zpty -r -t z part && all+=$part
            [[ $all == *$LAST* ]] && break
            sleep 0.1
        done
        print -r -- $all
        zpty -d z
    """
    for typed, expected in (("retort di", ("distill", "train a small network")),
                            ("retort train --lo", ("--loss",)),
                            ("retort train --loss ", ("dice+focal", "ce")),
                            ("retort help d", ("devices", "doctor", "distill"))):
        shown = checks.run("zsh", "-f", "-c", script, PAGES=str(PAGES), FOLDER=str(FOLDER),
                           LINE_TYPED=typed, LAST=expected[0], TERM="vt100")[0]
        for word in expected:
            assert word in shown, "%s: %r" % (typed, shown)


def complete_in_fish(line):
    path = str(pathlib.Path(RETORT).parent) + ":" + os.environ["PATH"]
    out, error = checks.run("fish", "--no-config", "-c", 'source $argv[1]; complete -C$argv[2]',
                            PAGES / "retort.fish", line, PATH=path, HOME=str(FOLDER))
    assert not error, error
    return dict((entry + "\t").split("\t")[:2] for entry in out.splitlines())


def fish_completes():
    if not has("fish"):
        return
    checks.run("fish", "-n", PAGES / "retort.fish")
    assert complete_in_fish("retort tr") == {"train": "train a network"}
    assert set(complete_in_fish("retort ")) == set(commands())
    assert set(complete_in_fish("retort train --loss ")) == {"ce", "dice", "focal", "dice+focal"}
    for command in ("train", "predict", "help"):
        offered = complete_in_fish("retort %s --" % command)
        assert set(offered) == set(options_of(command)), offered
    assert "distill" in complete_in_fish("retort help ")
    if device():
        assert "0" in complete_in_fish("retort bench --device ")


def files_are_installed_where_they_are_looked_for():
    build = PAGES.parents[1]
    if not (build / "meson-info").is_dir() or not has("meson"):
        return
    installed = json.loads(checks.run("meson", "introspect", "--installed", build)[0]).values()
    for name in ("man/man1/retort.1", "man/man1/retort-train.1", "zsh/site-functions/_retort",
                 "bash-completion/completions/retort.bash", "fish/vendor_completions.d/retort.fish"):
        assert any(path.endswith("/share/" + name) for path in installed), name


# --- what is said, and how ------------------------------------------------------------------


def in_terminal(*command, **variables):
    """What a command writes to a terminal."""
    reader, writer = pty.openpty()
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("NO_COLOR", "CLICOLOR_FORCE")}
    environment.update({"TERM": "xterm", "ASAN_OPTIONS": "detect_leaks=0"}, **variables)
    process = subprocess.Popen(list(map(str, command)), stdout=writer, stderr=writer, env=environment)
    os.close(writer)
    written = b""
    try:
        while part := os.read(reader, 4096):
            written += part
    except OSError:  # the other end is closed
        pass
    process.wait()
    os.close(reader)
    return written


def colours_are_for_terminals():
    for command in ("help",), ("train", "--nothing"):
        assert b"\033[" in in_terminal(RETORT, *command), command
        for variables in {"NO_COLOR": "1"}, {"NO_COLOR": "1", "CLICOLOR_FORCE": "1"}, {"TERM": "dumb"}:
            shown = in_terminal(RETORT, *command, **variables)
            assert b"\033" not in shown, (command, variables, shown)
    assert "\033" not in checks.run(RETORT, "help", CLICOLOR_FORCE="0")[0]
    assert "\033[" in checks.run(RETORT, "help", CLICOLOR_FORCE="1", NO_COLOR="")[0]


def quiet_says_nothing_but_the_result():
    run = FOLDER / "quiet"
    out, error = checks.run(RETORT, "train", *FAST, "--quiet", "--out", run)
    assert error == "" and "mean IoU" in out, (out, error)
    shown = in_terminal(RETORT, "train", *FAST, "--quiet", "--out", run, "--force")
    assert b"\033" not in shown and b"epoch" not in shown, shown
    _, error = checks.run(RETORT, "train", *FAST, "--quiet", "--out", run, status=2)
    assert "already holds a run" in error, error


def a_warning_is_said_once():
    """Training opens the data again for each part of the work."""
    data = FOLDER / "data"
    for name in "images", "masks":
        (data / name).mkdir(parents=True)
    for i in range(4):
        write_png(data / ("images/%d.png" % i), 64, 64, lambda x, y, i=i: (4 * x, 4 * y, 60 * i))
        write_png(data / ("masks/%d.png" % i), 64, 64,
                  lambda x, y: (0x3C, 0x10, 0x98) if x < 32 else (0x84, 0x29, 0xF6))
    (data / "classes.json").write_text('{"classes": [{"title": "Sea", "color": "#0102FF"}]}')
    error = checks.run(RETORT, "train", "--data", data, *FAST[2:], "--out", FOLDER / "once")[1]
    assert error.count("names colours that the masks do not use") == 1, error


def json_is_for_machines():
    run, few, photo = FOLDER / "json", FOLDER / "few", FOLDER / "photo.png"
    trained = json.loads(checks.run(RETORT, "train", *FAST, "--json", "--out", run)[0])
    assert trained["run"] == str(run) and [v["role"] for v in trained["verdicts"]] == ["trained"]
    expect_same_logs(run)
    weights = run / "best.safetensors"
    distilled = json.loads(checks.run(RETORT, "distill", *FAST, "--teacher", weights, "--control",
                                      "--json", "--out", few)[0])
    verdicts = {verdict["role"]: verdict for verdict in distilled["verdicts"]}
    assert set(verdicts) == {"teacher", "student alone", "student distilled"}
    judged = json.loads(checks.run(RETORT, "eval", "--model", weights, "--json", "--out",
                                   FOLDER / "verdict")[0])
    for name in ("mean_iou", "accuracy", "parameters", "network"):
        assert judged["metrics"][name] == verdicts["teacher"][name] == trained["verdicts"][0][name]
    data = json.loads(checks.run(RETORT, "data", "synth:2", "--json")[0])
    assert data["images"] == 2 and data["width"] == [512, 512] and data["problems"] == []
    assert sum(c["pixels"] for c in data["palette"]["classes"]) + data["ignored_pixels"] == \
        data["pixels"] == 2 * 512 * 512
    tuned = json.loads(checks.run(RETORT, "tune", "--show", "--json", "--model", "unet:4")[0])
    assert tuned["device"]["index"] == 0 and any("conv2d" in c["key"] for c in tuned["choices"])
    shutil.copy(next((run / "eval").glob("panel*.png")), photo)
    lines = checks.run(RETORT, "predict", "--model", weights, "--json", "--out", FOLDER / "masks",
                       photo)[0].splitlines()
    line = json.loads(lines[0])
    assert len(lines) == 1 and line["image"] == str(photo) and pathlib.Path(line["mask"]).exists()
    assert abs(sum(c["share"] for c in line["classes"]) - 1) < 1e-4, line


def main():
    global FOLDER
    with tempfile.TemporaryDirectory(prefix="retort-cmdline-") as folder:
        FOLDER = pathlib.Path(folder)
        for name in (".local/share/bash-completion/completions", ".zfunc", ".config/fish/completions"):
            (FOLDER / name).mkdir(parents=True)
        explained = (help_has_all_its_parts_in_80_columns,
                     texts_are_as_they_were_written,
                     examples_are_understood,
                     pages_for_man_are_those_of_the_program,
                     pages_for_man_are_without_a_warning,
                     pages_for_man_name_every_option,
                     bash_completes,
                     bash_completes_devices,
                     zsh_completes,
                     fish_completes,
                     files_are_installed_where_they_are_looked_for,
                     colours_are_for_terminals)
        worked = (examples_that_need_nothing_work,
                  quiet_says_nothing_but_the_result,
                  a_warning_is_said_once,
                  json_is_for_machines)
        checks.main(explained + (worked if device() else ()))


main()
