"""Runs the programs of benches/compare.sh in turn and prints Markdown: python3 benches/measure.py WIRECAUSE FOLDER

Each input has its group; the programs of a group run one after the other, the whole round five times (ROUNDS in the
environment) after a warm-up, and the best counts, by CPU time (user + system of the process and its children). Slow
peers run less often, tshark once.
"""

import os
import platform
import shutil
import subprocess
import sys
import time

BINARY, FOLDER = sys.argv[1:3]
ROUNDS = max(1, int(os.environ.get("ROUNDS", "5")))
# The facts that a record of `wirecause flows` holds, by Wireshark's names (community_id, JA4 and Zeek's it has not).
TSHARK_FIELDS = [
    "frame.number", "frame.time_epoch", "tcp.stream", "ip.src", "ip.dst", "tcp.srcport", "tcp.dstport", "tcp.len", "tcp.flags",
    "tcp.completeness", "tcp.analysis.retransmission", "tcp.analysis.fast_retransmission",
    "tcp.analysis.spurious_retransmission", "tcp.analysis.out_of_order", "tcp.analysis.lost_segment",
    "tcp.analysis.ack_lost_segment", "tcp.analysis.duplicate_ack", "tcp.analysis.zero_window",
    "tcp.analysis.zero_window_probe", "tcp.analysis.zero_window_probe_ack", "tcp.analysis.window_full",
    "tcp.analysis.window_update", "tcp.analysis.keep_alive", "tcp.analysis.keep_alive_ack", "tcp.analysis.reused_ports",
    "tcp.analysis.initial_rtt", "icmp.type", "icmp.code", "tls.handshake.type", "tls.handshake.version",
    "tls.handshake.random", "tls.handshake.extensions_server_name", "tls.handshake.extensions_alpn_str",
    "tls.handshake.extensions.supported_version", "tls.handshake.ciphersuite", "tls.handshake.ja3",
    "tls.handshake.certificate", "x509sat.uTF8String", "x509sat.printableString", "x509ce.dNSName",
    "x509af.serialNumber", "x509af.utcTime", "tls.alert_message.level", "tls.alert_message.desc",
]


def path(name):
    return os.path.join(FOLDER, name)


def wirecause(*args):
    return [BINARY, *args]


def groups():
    mixed, journal = path("mixed.pcap"), path("journal.log")
    tshark = ["tshark", "-n", "-r", mixed, "-T", "fields"] + [w for f in TSHARK_FIELDS for w in ("-e", f)]
    flows = wirecause("flows", "--format", "ndjson", "--quiet")
    analyze = wirecause("analyze", "--format", "json", "--quiet")
    sample = "samples/silent-after-client-hello/bundle"
    return [
        ("Mixed capture", mixed, [
            ("cat", ["cat", mixed], ROUNDS),
            ("tcpdump, flags only", ["tcpdump", "-n", "-r", mixed, "-w", "/dev/null", "tcp[13]&7!=0"], ROUNDS),
            ("tcptrace -n", ["tcptrace", "-n", mixed], min(2, ROUNDS)),
            ("ndpiReader -q", ["ndpiReader", "-q", "-i", mixed], min(2, ROUNDS)),
            ("Suricata", ["suricata", "-r", mixed, "-l", FOLDER], 1),
            ("tshark, tcp.analysis and tls fields", tshark, 1),
            ("wirecause flows", [*flows, mixed], ROUNDS),
            ("wirecause flows, 1 thread", [*flows, "--threads", "1", mixed], ROUNDS),
        ]),
        ("The same, gzip", path("mixed.pcap.gz"), [
            ("gzip -dc", ["gzip", "-dc", path("mixed.pcap.gz")], ROUNDS),
            ("wirecause flows", [*flows, path("mixed.pcap.gz")], ROUNDS),
        ]),
        ("SYN flood, each packet a flow", path("flood.pcap"), [
            ("cat", ["cat", path("flood.pcap")], ROUNDS),
            ("wirecause analyze", [*analyze, path("flood.pcap")], ROUNDS),
            ("wirecause analyze --max-memory 256M", [*analyze, "--max-memory", "256M", path("flood.pcap")], ROUNDS),
            ("wirecause analyze, 1 thread", [*analyze, "--threads", "1", path("flood.pcap")], ROUNDS),
        ]),
        ("API server journal, ten failure texts", journal, [
            ("rg -c", ["rg", "-c", "-F", "-f", "benches/failure-texts.txt", journal], ROUNDS),
            ("wirecause logs", wirecause("logs", "--format", "ndjson", "--quiet", journal), ROUNDS),
        ]),
        ("Join: ten flows for each failure", path("failures"), [
            ("wirecause analyze", [*analyze, path("failures")], ROUNDS),
        ]),
        ("A small bundle", sample, [
            ("wirecause analyze", [*analyze, sample], 4 * ROUNDS),
            ("wirecause rules list (start-up)", wirecause("rules", "list"), 4 * ROUNDS),
        ]),
    ]


def run(command):
    """Wall seconds, CPU seconds, peak MB; output goes nowhere."""
    start = time.monotonic()
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - start
    if child.returncode not in (0, 3):
        return None
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def size(name):
    if not os.path.isdir(name):
        return os.path.getsize(name)
    return sum(os.path.getsize(os.path.join(at, f)) for at, _, files in os.walk(name) for f in files)


def measure(programs):
    present = [p for p in programs if os.path.exists(p[1][0]) or shutil.which(p[1][0])]
    best, failed = {}, set()
    for turn in range(max(times for _, _, times in present) + 1):
        for name, command, times in present:
            warm_up = turn == 0
            if name in failed or (warm_up and times == 1) or turn > times:
                continue
            result = run(command)
            if result is None:
                failed.add(name)
            elif not warm_up:
                best[name] = min(best.get(name, result), result, key=lambda r: r[1])
    return best, failed, [p[0] for p in programs if p not in present]


def main():
    print(f"Measured with {os.cpu_count()} cores ({platform.machine()}, {platform.system()} {platform.release()}).")
    for title, source, programs in groups():
        print(f"\n### {title} ({size(source) / 1e6:,.1f} MB)\n")
        print("| program | wall s | CPU s | peak MB |\n|---|---|---|---|")
        best, failed, absent = measure(programs)
        for name, _, _ in programs:
            if name in best:
                wall, cpu, peak = best[name]
                print(f"| {name} | {wall:.3f} | {cpu:.3f} | {peak:,.0f} |")
            elif name in failed:
                print(f"| {name} | failed | | |")
        if absent:
            print(f"\nNot there: {', '.join(absent)}.")
        sys.stdout.flush()


main()
