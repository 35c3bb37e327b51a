#!/bin/bash
# Makes the journals and the texts in this folder from entries.export; needs systemd-journal-remote, journalctl, python3.
set -eu
cd "$(dirname "$0")"
remote=/lib/systemd/systemd-journal-remote
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

# the header names the machine that wrote the file: name another instead
store() {
    python3 - "$work/x.journal" <<'P'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(40)
    f.write(b"\xc0\xde" * 8)
P
    xz -9e < "$work/x.journal" > "$1.xz"
}

journal() { # NAME COMPRESS KEYED_HASH COMPACT
    rm -f "$work/x.journal"
    SYSTEMD_JOURNAL_COMPRESS=$2 SYSTEMD_JOURNAL_KEYED_HASH=$3 SYSTEMD_JOURNAL_COMPACT=$4 \
        "$remote" --split-mode=none -o "$work/x.journal" entries.export > "$work/said" 2>&1
    store "$1"
}

journal plain.journal NONE 0 0
journal xz.journal XZ 1 0
journal lz4-compact.journal LZ4 0 1
journal zstd-keyed-compact.journal ZSTD 1 1

for mode in short short-precise short-iso short-iso-precise short-full short-unix short-monotonic with-unit cat \
    verbose export json json-pretty json-seq json-sse; do
    journalctl --utc --no-pager --file "$work/x.journal" -o $mode > "journalctl-$mode.txt"
done
TZ=America/New_York journalctl --no-pager --file "$work/x.journal" -o short-full > journalctl-new-york.txt
journalctl --utc --no-pager --file "$work/x.journal" -o short-precise --reverse > journalctl-reverse.txt

# the writer dies between two entries
rm "$work/x.journal"
{ cat entries.export; sleep 3; } | SYSTEMD_JOURNAL_COMPRESS=ZSTD SYSTEMD_JOURNAL_KEYED_HASH=1 \
    SYSTEMD_JOURNAL_COMPACT=1 "$remote" --split-mode=none -o "$work/x.journal" - > "$work/said" 2>&1 &
sleep 1
kill -9 $!
store unclean.journal~
