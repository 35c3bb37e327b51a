#!/usr/bin/env bash
# Measures wirecause beside cat, tcpdump, tcptrace, ndpiReader, Suricata, tshark and ripgrep on the same inputs in one run:
#   benches/compare.sh [FOLDER] > table.md
# Builds the release binary, writes the inputs to FOLDER (about 3 GB; kept for the next run) and prints Markdown tables.
# Debian's packages of the peers are installed where apt-get may; a peer that cannot be had is left out, and it is said so.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-target/compare}
mkdir -p "$folder"

for pair in tcpdump:tcpdump tcptrace:tcptrace ndpiReader:libndpi-bin tshark:tshark rg:ripgrep python3:python3; do
  command -v "${pair%%:*}" >/dev/null && continue
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${pair##*:}" >/dev/null 2>&1 || echo "${pair%%:*} cannot be had" >&2
done

cargo build --quiet --locked --release --bin wirecause --example generate
generate() { [ -e "$folder/$2" ] || target/release/examples/generate "$1" "$folder/$2"; }
generate mixed mixed.pcap
generate synflood flood.pcap
generate journal journal.log
generate failures failures
[ -e "$folder/mixed.pcap.gz" ] || gzip -1 -k "$folder/mixed.pcap"

python3 benches/measure.py target/release/wirecause "$folder"
