"use strict";
{
    const root = document.documentElement;
    const all = (where, what) => [...where.querySelectorAll(what)];
    root.classList.add("scripted");

    /* --- light and dark ----------------------------------------------------------------------- */

    const theme = document.getElementById("theme");
    const system = matchMedia("(prefers-color-scheme: dark)");
    const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
    const tell = () => theme.setAttribute("aria-pressed", isDark());
    theme.addEventListener("click", () => {
        root.dataset.theme = isDark() ? "light" : "dark";
        tell();
    });
    system.addEventListener("change", tell);
    tell();

    /* --- patches ------------------------------------------------------------------------------ */

    const section = document.getElementById("patches");

    /* A colour is a number: red, green * 256, blue * 65536. */
    const names = new Map(all(section, ".swatch").map(swatch => {
        const [red, green, blue] = swatch.dataset.color.match(/[0-9a-f]{2}/gi).map(part => parseInt(part, 16));
        return [red + 256 * green + 65536 * blue, swatch.parentNode.textContent];
    }));

    function read(picture) {
        const canvas = document.createElement("canvas");
        const width = canvas.width = picture.naturalWidth;
        const height = canvas.height = picture.naturalHeight;
        const context = canvas.getContext("2d", { willReadFrequently: true });
        context.drawImage(picture, 0, 0);
        const bytes = context.getImageData(0, 0, width, height).data;
        const colors = new Uint32Array(width * height);
        for (let at = 0; at < colors.length; at++)
            colors[at] = bytes[4 * at] + 256 * bytes[4 * at + 1] + 65536 * bytes[4 * at + 2];
        return { width, height, colors };
    }

    const WRONG = [200, 0, 60], VEIL = 190;

    /* Where the colours differ and truth has a class, the canvas is filled, elsewhere under a veil. */
    function mark(canvas, truth, seen) {
        canvas.width = truth.width;
        canvas.height = truth.height;
        const context = canvas.getContext("2d");
        const picture = context.createImageData(truth.width, truth.height);
        picture.data.fill(255);
        let count = 0;
        for (let at = 0; at < truth.colors.length; at++) {
            if (truth.colors[at] !== seen.colors[at] && names.has(truth.colors[at])) {
                WRONG.forEach((value, i) => picture.data[4 * at + i] = value);
                count++;
            } else {
                picture.data[4 * at + 3] = VEIL;
            }
        }
        context.putImageData(picture, 0, 0);
        canvas.dataset.count = count;
    }

    function prepare(patch) {
        const wipe = patch.querySelector("input");
        const output = patch.querySelector("output");
        const truth = patch.querySelector(".truth img");
        const stages = all(patch, ".stage").filter(stage => stage.querySelector("img"));
        let pixels; /* of truth, then of what each run saw; read when they are asked for */

        function readAll() {
            pixels = pixels || [truth, ...stages.map(stage => stage.querySelector("img"))].map(read);
            return pixels;
        }

        function show() {
            patch.style.setProperty("--wipe", wipe.value + "%");
            patch.style.setProperty("--divider", wipe.value % 100 ? "visible" : "hidden");
            wipe.setAttribute("aria-valuetext", wipe.value + " % truth");
        }

        /* What lies under the pointer. */
        function name(x, y) {
            const label = ["truth", ...stages.map(stage =>
                stage.parentNode.querySelector(".who").textContent)];
            output.value = readAll().map((picture, i) => {
                const at = Math.floor(y * picture.height) * picture.width + Math.floor(x * picture.width);
                return label[i] + ": " + (names.get(picture.colors[at]) || "no class");
            }).join(" · ");
        }

        function point(event) {
            const box = event.currentTarget.getBoundingClientRect();
            const x = (event.clientX - box.left) / box.width;
            const y = (event.clientY - box.top) / box.height;
            if (event.buttons && event.currentTarget.matches(".stage")) {
                wipe.value = 100 * x;
                show();
            }
            if (x >= 0 && x < 1 && y >= 0 && y < 1)
                name(x, y);
        }

        for (const stage of stages) {
            const over = new Image();
            over.src = truth.src;
            over.alt = "";
            over.className = "over";
            stage.append(over, document.createElement("canvas"));
        }
        for (const frame of all(patch, ".frame")) {
            frame.addEventListener("pointerdown", event => {
                if (event.pointerType === "mouse")
                    frame.setPointerCapture(event.pointerId);
                point(event);
            });
            frame.addEventListener("pointermove", point);
            frame.addEventListener("pointerleave", () => output.value = "");
            frame.addEventListener("dragstart", event => event.preventDefault());
        }
        wipe.addEventListener("input", show);
        show();
        return {
            set(value) {
                wipe.value = value;
                show();
            },
            mark() {
                const [right, ...seen] = readAll();
                stages.forEach((stage, i) => mark(stage.querySelector("canvas"), right, seen[i]));
            },
        };
    }

    const patches = all(section, ".patch").filter(patch => patch.querySelector(".truth img")).map(prepare);
    for (const choice of all(section, "input[name=view]"))
        choice.addEventListener("change", () => patches.forEach(patch => patch.set(choice.value)));
    const mistakes = document.getElementById("mistakes");
    if (mistakes)
        mistakes.addEventListener("change", () => {
            section.classList.toggle("mistakes", mistakes.checked);
            if (mistakes.checked)
                patches.forEach(patch => patch.mark());
        });
}
