"""A headless Chromium, driven over a pipe by the DevTools protocol. Nothing but what Python has."""
import base64
import json
import os
import shutil
import subprocess
import time

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
SECONDS = 120  # to wait for an answer on a busy machine


def find():
    """The browser's path, None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One tab. Each page is opened anew with `open`."""

    def __init__(self, program, folder):
        theirs, ours = os.pipe(), os.pipe()
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                 "--hide-scrollbars", "--no-first-run", "--remote-debugging-pipe",
                 "--user-data-dir=%s" % folder]
        # The browser reads from its descriptor 3 and writes to 4.
        self.process = subprocess.Popen(
            ["sh", "-c", 'exec "$@" 3<&%d 4>&%d' % (theirs[0], ours[1]), "sh", program, *flags],
            pass_fds=(theirs[0], ours[1]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(theirs[0])
        os.close(ours[1])
        self.to, self.of, self.rest, self.number = theirs[1], ours[0], b"", 0
        self.session = None
        self.events = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def close(self):
        self.process.kill()
        self.process.wait()

    def receive(self):
        while b"\0" not in self.rest:
            part = os.read(self.of, 1 << 20)
            assert part, "the browser is gone"
            self.rest += part
        message, self.rest = self.rest.split(b"\0", 1)
        message = json.loads(message)
        if "method" in message:
            self.events.append(message)
        return message

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                assert "error" not in answer, "%s: %s" % (method, answer.get("error"))
                return answer["result"]

    def wait_for(self, method):
        """The parameters of the next event of this name that has come or will come."""
        while not any(event["method"] == method for event in self.events):
            self.receive()
        return self.named(method)[0]

    def named(self, *methods):
        return [event["params"] for event in self.events if event["method"] in methods]

    def open(self, path, width=1440, height=900, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", media="", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.events.clear()
        self.call("Page.navigate", url="about:blank")
        self.wait_for("Page.loadEventFired")
        self.events.clear()
        self.call("Page.navigate", url="file://%s" % path)
        self.wait_for("Page.loadEventFired")

    def evaluate(self, expression):
        """The value, as JSON has it."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                           awaitPromise=True)
        assert "exceptionDetails" not in answer, "%s: %s" % (expression, answer["exceptionDetails"])
        return answer["result"].get("value")

    def until(self, expression):
        """Waits until the expression is true."""
        end = time.monotonic() + SECONDS
        while not self.evaluate(expression):
            assert time.monotonic() < end, "%s never holds" % expression
            time.sleep(0.05)

    def box(self, selector):
        """[left, top, width, height] in the window, to which it is scrolled first."""
        return self.evaluate(
            "(e => { e.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const b = e.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; })"
            "(document.querySelector(%s))" % json.dumps(selector))

    def click(self, selector):
        x, y, width, height = self.box(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x + width / 2, y=y + height / 2,
                      button="left", clickCount=1)

    def move(self, x, y, pressed=False):
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y,
                  button="left" if pressed else "none", buttons=1 if pressed else 0)

    def press(self, key):
        codes = {"ArrowLeft": 37, "ArrowRight": 39, "Home": 36, "End": 35, "Tab": 9, " ": 32}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key if key != " " else "Space",
                      windowsVirtualKeyCode=codes[key], text=" " if key == " " and kind == "keyDown" else "")

    def picture(self, selector, edge=0):
        """The PNG of what is seen there, without an edge of so many pixels."""
        x, y, width, height = self.box(selector)
        left, top = self.evaluate("[scrollX, scrollY]")
        clip = {"x": x + left + edge, "y": y + top + edge, "width": width - 2 * edge,
                "height": height - 2 * edge, "scale": 1}
        return base64.b64decode(self.call("Page.captureScreenshot", format="png", clip=clip)["data"])

    def print(self):
        """The page as PDF, on A4."""
        answer = self.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69,
                           preferCSSPageSize=True)
        return base64.b64decode(answer["data"])
