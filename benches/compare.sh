#!/usr/bin/env bash
# Measures wirecause beside cat, tcpdump, tcptrace, ndpiReader, Suricata, tshark and ripgrep on the same inputs in one run:
#   [ROUNDS=5] [SIZE=full|small] benches/compare.sh [FOLDER] > table.md
# Builds the release binary, writes the inputs to FOLDER (about 4 GB; kept for the next run) and prints Markdown tables.
# Every program runs once to warm up and then ROUNDS times in turn with the others (slow peers less often); the best
# counts. SIZE=small takes inputs of a few MB, to see whether everything runs.
# Debian's packages of the peers are installed where apt-get may; a peer that cannot be had is left out, and it is said so.
set -euo pipefail
cd "$(dirname "$0")/.."
size=${SIZE:-full}
folder=${1:-target/compare-$size}
mkdir -p "$folder"

for pair in tcpdump:tcpdump tcptrace:tcptrace ndpiReader:libndpi-bin tshark:tshark rg:ripgrep python3:python3; do
  command -v "${pair%%:*}" >/dev/null && continue
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${pair##*:}" >/dev/null 2>&1 || echo "${pair%%:*} cannot be had" >&2
done

cargo build --quiet --locked --release --bin wirecause --example generate
case $size in
  full) sizes=(980M 10M 1000M 100k) ;;
  small) sizes=(10M 100k 10M 1k) ;;
  *) echo "SIZE=$size: full or small" >&2; exit 2 ;;
esac
generate() { [ -e "$folder/$2" ] || target/release/examples/generate "$1" "$folder/$2" "$3"; }
generate mixed mixed.pcap "${sizes[0]}"
generate synflood flood.pcap "${sizes[1]}"
generate journal journal.log "${sizes[2]}"
generate failures failures "${sizes[3]}"
[ -e "$folder/mixed.pcap.gz" ] || gzip -1 -k "$folder/mixed.pcap"

python3 benches/measure.py target/release/wirecause "$folder"
