"""What the node's programs share: their settings, what they say on the machine's console, how they try again."""

import json
import os
import subprocess
import sys
import time

SETTINGS = "/etc/jeroboam/node.json"

console_path = os.devnull


class Failed(Exception):
    """Something that is tried again, with its cause."""


def say(text):
    line = "jeroboam: " + text
    print(line, flush=True)
    try:
        console = os.open(console_path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            os.write(console, (line + "\r\n").encode())
        finally:
            os.close(console)
    except OSError:
        pass


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise Failed("%s: %s" % (" ".join(command[:2]), done.stdout.strip()[-300:] or done.returncode))
    return done.stdout


def persist(step, longest_secs=2.0):
    """Repeats a step until it works; each new cause of failure is told once."""
    told, pause = None, 0.5
    while True:
        try:
            return step()
        except (Failed, OSError) as error:
            if str(error) != told:
                told = str(error)
                say(told)
        time.sleep(pause)
        pause = min(pause * 1.5, longest_secs)


def load_settings():
    """The node's settings; their path is the program's only argument, and optional."""
    global console_path
    with open(sys.argv[1] if len(sys.argv) > 1 else SETTINGS, encoding="utf-8") as file:
        node = json.load(file)
    console_path = node["console"]
    return node
