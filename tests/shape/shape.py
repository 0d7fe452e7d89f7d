#!/usr/bin/env python3
"""shape.py [SOURCE]: holds the shape of agent/ against the rules that HACKING.md gives.

Includes point down the layers and make no circles, files and functions stay readable, headers stand alone and document
every function, secrets are looked into only where HACKING.md says so, the table of keys agrees with leafd.ini(5), and each promise of
SECURITY.md names the tests that hold it.
Needs python3, universal-ctags and a C compiler. Exit status 0, 1 with every breach named, 77 if a tool is missing.
"""
import json
import os
import re
import shutil
import subprocess
import sys

SOURCE = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", ".."))
AGENT = os.path.join(SOURCE, "agent")
LAYERS = {"base": 0, "config": 1, "plan": 1, "pki": 1, "http": 1, "ca": 2, "install": 2, "reload": 2, "prove": 2,
          "cert": 3, "app": 4, "main": 5}
FUNCTION_LINES, FILE_LINES = 45, 600
breaches = []


def breach(where, what):
    breaches.append(f"{os.path.relpath(where, SOURCE)}: {what}")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def sources(ending):
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(AGENT) for name in names
                  if name.endswith(ending))


def room(path):
    """The folder below agent/, or main."""
    parts = os.path.relpath(path, AGENT).split(os.sep)
    return parts[0] if len(parts) > 1 else "main"


def own_includes(path):
    return re.findall(r'^#include "([^"]+)"', read(path), re.M)


def check_layers():
    for path in sources((".c", ".h")):
        mine = room(path)
        if mine not in LAYERS:
            breach(path, f"lies in a folder of no layer: {mine}")
            continue
        for target in own_includes(path):
            other = target.split("/")[0]
            if other != mine and LAYERS[other] >= LAYERS[mine]:
                breach(path, f"includes {target}, which is not below {mine}/")


def check_door():
    """Outside ca/ nobody includes what lies behind the door, or names what is Vault's; [vault] is the section's name."""
    for path in sources((".c", ".h")):
        if room(path) == "ca":
            continue
        for target in own_includes(path):
            if target.startswith("ca/") and target != "ca/ca.h":
                breach(path, f"includes {target}, which is behind the door, ca/ca.h")
        for name in sorted(set(re.findall(r"\bvault_(?!config\b)\w+", read(path)))):
            breach(path, f"names {name}, which is behind the door, ca/ca.h")


def check_circles():
    modules = {os.path.splitext(os.path.relpath(p, AGENT))[0] for p in sources((".c", ".h"))}
    graph = {m: set() for m in modules}
    for path in sources((".c", ".h")):
        me = os.path.splitext(os.path.relpath(path, AGENT))[0]
        graph[me] |= {os.path.splitext(t)[0] for t in own_includes(path)} - {me}
    done, trail = set(), []

    def visit(module):
        if module in trail:
            breach(os.path.join(AGENT, module), "is in a circle: " + " -> ".join(trail[trail.index(module):] + [module]))
            return
        if module in done:
            return
        trail.append(module)
        for other in sorted(graph.get(module, ())):
            visit(other)
        trail.pop()
        done.add(module)

    for module in sorted(graph):
        visit(module)


def check_lengths():
    for path in sources((".c", ".h")):
        lines = read(path).count("\n")
        if lines > FILE_LINES:
            breach(path, f"has {lines} lines, more than {FILE_LINES}")
    tags = subprocess.run(["ctags", "-f", "-", "--kinds-C=f", "--fields=+ne", "--output-format=json", *sources(".c")],
                          capture_output=True, text=True, check=True).stdout
    for tag in map(json.loads, tags.splitlines()):
        length = tag.get("end", tag["line"]) - tag["line"] + 1
        if length > FUNCTION_LINES:
            breach(tag["path"], f"{tag['name']} has {length} lines, more than {FUNCTION_LINES}")


def check_headers_stand_alone():
    compiler = os.environ.get("CC", "cc").split()
    flags = subprocess.run(["pkg-config", "--cflags", "libcurl", "openssl", "jansson", "libsystemd"],
                           capture_output=True, text=True, check=False).stdout.split()
    for header in sources(".h"):
        made = subprocess.run([*compiler, "-std=gnu17", "-D_GNU_SOURCE", "-fsyntax-only", "-I", AGENT, *flags, "-x", "c",
                               "-"], input=f'#include "{os.path.relpath(header, AGENT)}"\n', capture_output=True,
                              text=True, check=False)
        if made.returncode != 0:
            breach(header, "does not stand alone: " + made.stderr.splitlines()[0])


DECLARED = re.compile(r"^(?!static|typedef|extern|struct \w+ \{|enum|#|DEFINE|    )[A-Za-z_][\w \*]*?\b(\w+)\(", re.M)


def check_documentation():
    for header in sources(".h"):
        text = read(header)
        if not text.startswith("/*\n * " + os.path.splitext(os.path.basename(header))[0] + " - "):
            breach(header, "does not begin with what it is: /* NAME - ...")
        for match in DECLARED.finditer(text):
            name, above = match.group(1), text[:match.start()].rstrip()
            comment = above[above.rfind("/*"):]
            if not above.endswith("*/") or f"{name} - " not in comment:
                breach(header, f"{name} has no comment '{name} - ...' directly above")
        for name in re.findall(r"^(?:config_parser|worker_run) (\w+)", text, re.M):
            if f"{name} - " not in text and f"{name}," not in text and not re.search(rf"parsers of one word.*{name}", text, re.S):
                breach(header, f"{name} has no comment")


def check_secrets():
    """secret_expose is called where HACKING.md lists it, and nowhere else."""
    listed = set(re.findall(r"^- `agent/([\w/]+\.c)`", read(os.path.join(SOURCE, "HACKING.md")), re.M))
    calling = {os.path.relpath(p, AGENT) for p in sources(".c") if "secret_expose(" in read(p)} - {"base/secret.c"}
    for path in sorted(calling - listed):
        breach(os.path.join(AGENT, path), "looks into a secret and is not listed in HACKING.md")
    for path in sorted(listed - calling):
        breach(os.path.join(AGENT, path), "is listed in HACKING.md as looking into secrets and does not")


def check_log_levels():
    """Only ca/, cert/, app/ and main.c tell what happens, as events; what is below returns errors."""
    for path in sources(".c"):
        if room(path) not in ("ca", "cert", "app", "main", "base") and re.search(r"\b(event_emit|log_detail)\(", read(path)):
            breach(path, "tells events; these rooms return errors instead")


def check_words():
    """What others said passes base/hide.h, and what is printed passes base/terminal.h."""
    for path in sources(".c"):
        if room(path) == "base":
            continue
        text = read(path)
        if "text_printable(" in text:
            breach(path, "calls text_printable; what others say goes through hide_foreign, our own lines through hide_line")
        printed = re.findall(r"(?<!\w)(?:f?printf|f?puts|putchar|perror|v?dprintf)\([^;]*", text)
        if printed:
            breach(path, "prints by itself; what goes to a terminal goes through terminal_line")


def check_paths():
    """libcurl opens a path on the event loop, where a file system that hangs stops everything: it gets the content."""
    for path in sources((".c", ".h")):
        for option in re.findall(r"CURLOPT_((?:PROXY_)?(?:CAINFO|CAPATH|SSLCERT|SSLKEY|CRLFILE|ISSUERCERT)\b)(?!\s*,\s*NULL\))", read(path)):
            breach(path, f"gives libcurl a path with CURLOPT_{option}; see http/tls_files")


# The class of a failure is the room's to say, and the statuses and codes of others are read from one table each:
# vault_call.c for HTTP, http_call.c for libcurl, err.c for errno.
CLASSES = {"base": {"LOCAL", "CONSUMER"}, "config": {"LOCAL", "CONFIG"}, "plan": set(), "pki": {"UNTRUSTED", "REFUSED", "LOCAL"},
           "http": {"UNTRUSTED", "LOCAL", "REFUSED"}, "ca": {"TRANSIENT", "DENIED", "REFUSED", "UNTRUSTED", "LOCAL"},
           "install": {"LOCAL"}, "reload": {"CONSUMER", "LOCAL"}, "prove": {"CONSUMER", "LOCAL"}}


def check_classes():
    for path in sources(".c"):
        named = set(re.findall(r"\berr_(?:set|errno)\([^,;]+,\s*ERR_(\w+)", read(path)))
        for name in sorted(named - CLASSES.get(room(path), named)):
            breach(path, f"fails with class {name.lower()}, which is not one of {room(path)}/")


def check_log_events():
    """leafd(8) has every event but `detail`, which is none, with what to do; the journal's catalog is made from it."""
    table = set(re.findall(r'^    \[EVENT_\w+\] = \{"([\w-]+)"', read(os.path.join(AGENT, "base", "event.c")), re.M))
    page_path = os.path.join(SOURCE, "man", "leafd.8")
    section = re.search(r"^\.Sh EVENTS\n(.*?)^\.Sh ", read(page_path), re.M | re.S).group(1)
    told = re.findall(r"^\.It Li (\S+)\n(.*?)(?=^\.It |^\.El)", section, re.M | re.S)
    for name in sorted((table - {"detail"}) ^ {name for name, _ in told}):
        breach(page_path, f"and event.c disagree about the event {name}")
    for name, text in told:
        if not re.match(r"[A-Z].*?\n\.Em Action :\n\S", text, re.S):
            breach(page_path, f"does not tell what the event {name} means and what to do about it")
    table = read(os.path.join(AGENT, "base", "event.c")).split("} fields[] = {")[1].split("};")[0]
    section = re.search(r"^\.Sh LOG\n(.*?)^\.Ss ", read(page_path), re.M | re.S).group(1)
    told = set(re.findall(r"[A-Z_]+", " ".join(re.findall(r"^\.It Li (.*)$", section, re.M))))
    for name in sorted(set(re.findall(r'"([A-Z_]+)"', table)) ^ told):
        breach(page_path, f"and event.c disagree about the field {name}")


def check_man_page():
    table = re.findall(r'^    \{"(\w+)",', read(os.path.join(AGENT, "config", "config_keys.c")), re.M)
    page = read(os.path.join(SOURCE, "man", "leafd.ini.5"))
    told = re.findall(r"^\.It Ic (\w+) ", page, re.M)
    for key in sorted(set(table) - set(told)):
        breach(os.path.join(SOURCE, "man", "leafd.ini.5"), f"does not tell of the key {key}")
    for key in sorted(set(told) - set(table)):
        breach(os.path.join(SOURCE, "man", "leafd.ini.5"), f"tells of the key {key}, which does not exist")
    keys = read(os.path.join(AGENT, "config", "config_keys.c")).replace('LEAFD_CONFIGURATION_DIRECTORY "', '"/etc/leafd')
    defaults = dict(re.findall(r'\{"(\w+)",[^{}]*?\.fallback = "([^"]*)"', keys))
    for key, value in sorted(defaults.items()):
        entry = re.search(rf"^\.It Ic {key} .*?(?=^\.It |^\.Sh |^\.El)", page, re.M | re.S)
        if entry and value not in entry.group(0):
            breach(os.path.join(SOURCE, "man", "leafd.ini.5"), f"does not tell the default of {key}, {value}")


def check_warnings():
    """leafd.ini(5) explains every id of a warning, and no other."""
    table = set(re.findall(r'^    \[POSTURE_\w+\] = "([\w-]+)"', read(os.path.join(AGENT, "base", "posture.c")), re.M))
    page_path = os.path.join(SOURCE, "man", "leafd.ini.5")
    told = set(re.findall(r"^\.It Li ([\w-]+)$", re.search(r"^\.Sh WARNINGS\n(.*?)^\.Sh ", read(page_path), re.M | re.S).group(1), re.M))
    for name in sorted(table ^ told):
        breach(page_path, f"and posture.c disagree about the warning {name}")


def check_metrics():
    """leafd(8) tells of every family of metrics, and of no other."""
    source, page_path = os.path.join(AGENT, "app", "metrics_text.c"), os.path.join(SOURCE, "man", "leafd.8")
    suffix = {"COUNTER": "_total", "INFO": "_info"}
    table = {name + suffix.get(kind, "") for name, kind in re.findall(r'\] = \{"(\w+)",\s+([A-Z]+),', read(source))}
    told = set(re.findall(r"^\.It Li ((?:leafd|process)_\w+)", read(page_path), re.M))
    for name in sorted(table ^ told):
        breach(page_path, f"and metrics_text.c disagree about {name}")


def check_templates():
    """leafd-templates(7) tells of every template and of its files, and `make install` knows it."""
    page_path = os.path.join(SOURCE, "man", "leafd-templates.7")
    page, makefile = read(page_path), read(os.path.join(SOURCE, "Makefile.am"))
    told = dict(re.findall(r"^\.It Sy ([\w-]+)(.*?)(?=^\.It |^\.El)", page, re.M | re.S))
    shipped = {name[:-4] for name in os.listdir(os.path.join(SOURCE, "templates")) if name.endswith(".ini")}
    for name in sorted(shipped ^ set(told)):
        breach(page_path, f"and templates/ disagree about {name}")
    for name in sorted(shipped & set(told)):
        path = os.path.join(SOURCE, "templates", f"{name}.ini")
        for file in re.findall(r"^file *= *(\S+)", read(path), re.M):
            if "$" not in file and file not in told[name]:
                breach(page_path, f"does not tell of {file} of {name}")
        if f"templates/{name}.ini" not in makefile:
            breach(path, "is not in Makefile.am's dist_template_DATA")


def known_tests():
    """Each test by its name, with the text that it has: functions of Python and C, with what stands above them."""
    found = {}
    for folder, _, names in os.walk(os.path.join(SOURCE, "tests")):
        for name in names:
            text = read(os.path.join(folder, name)) if name.endswith((".py", ".c")) else ""
            if name.endswith(".py"):
                found.update(re.findall(r"^def (test_\w+)(.*?)(?=^\S|\Z)", text.replace("\n)", "\n )"), re.M | re.S))
            elif name.startswith("test_"):
                found.update((test, above) for above, test in re.findall(
                    r"^((?:/\*(?:(?!\*/).)*\*/\n)?)static void (\w+)\(void \*\*state\)", text, re.M | re.S))
    return found


WEAKNESS = r"(?:CVE-\d{4}-\d+|GHSA(?:-\w{4}){3}|VA-\d+-\d+-\d+|#\d{4,})\b"


def check_security():
    """Each promise of SECURITY.md is one sentence with its tests, and each published weakness is named by its tests."""
    path = os.path.join(SOURCE, "SECURITY.md")
    tests = known_tests()

    def text_of(test):
        if test.startswith("tests/"):
            return read(os.path.join(SOURCE, test)) if os.path.isfile(os.path.join(SOURCE, test)) else None
        return tests.get(test)

    def held(names, what):
        if not names:
            breach(path, f"names no test for: {what}")
        for name in names:
            if text_of(name) is None:
                breach(path, f"names a test that is not there: {name}")
        return [text_of(name) or "" for name in names]

    counts = [0, 0]
    for section in read(path).split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        if title in ("What is not promised", "Reporting"):
            continue
        for line in filter(None, body.split("\n")):
            promise = re.fullmatch(r"- ([^\[]+\.) \[([^\]]*)\]", line)
            row = re.fullmatch(r"\| (.*?) \| (.*) \|", line)
            if promise:
                counts[0] += 1
                held(re.findall(r"`([\w/.]+)`", promise.group(2)), promise.group(1))
                if re.search(r"[.!?] ", promise.group(1)):
                    breach(path, f"has two sentences in one promise: {promise.group(1)}")
            elif row and row.group(1) not in ("what was published", "---"):
                counts[1] += 1
                texts = held(re.findall(r"`([\w/.]+)`", row.group(2)), row.group(1))
                weaknesses = re.findall(WEAKNESS, row.group(1))
                if not weaknesses:
                    breach(path, f"has a published weakness without its number: {row.group(1)}")
                for weakness in weaknesses:
                    if not any(weakness in text for text in texts):
                        breach(path, f"has {weakness} held by no test that names it")
                if not all(any(weakness in text for weakness in weaknesses) for text in texts):
                    breach(path, f"names a test that names none of {', '.join(weaknesses)}")
            elif not row:
                breach(path, f"says what no test holds: {line}")
    if not all(counts):
        breach(path, f"has {counts[0]} promises and {counts[1]} published weaknesses")


def check_states():
    """The state of a machine is assigned where its table is read, in take(), and nowhere else."""
    for path in sources(".c"):
        if room(path) != "cert":
            continue
        functions = re.findall(r"^(?:static )?[\w \*]+?\b(\w+)\([^;{]*\)\n\{\n(.*?)^\}", read(path), re.M | re.S)
        for name, body in functions:
            if name != "take" and re.search(r"\b(?:issuance|deployment)(?:->|\.)state\s*=[^=]", body):
                breach(path, f"{name} assigns the state of a machine, which only take() does, by its table")
    for machine in ("issuance", "deployment"):
        path = os.path.join(AGENT, "cert", machine + ".c")
        if read(path).count(f"{machine}->state = cell->next;") != 1:
            breach(path, "does not take the next state from its table in one place")


def main():
    if not shutil.which("ctags") or not shutil.which(os.environ.get("CC", "cc").split()[0]):
        print("shape: ctags or a compiler is missing; skipped")
        sys.exit(77)
    for check in (check_layers, check_door, check_circles, check_lengths, check_headers_stand_alone, check_documentation,
                  check_secrets, check_log_levels, check_words, check_log_events, check_classes, check_paths, check_man_page, check_warnings, check_metrics, check_templates,
                  check_security, check_states):
        check()
    for line in breaches:
        print(line)
    print(f"shape: {len(sources('.c')) + len(sources('.h'))} files, {len(breaches)} breaches")
    sys.exit(1 if breaches else 0)


if __name__ == "__main__":
    main()
