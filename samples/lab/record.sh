#!/bin/bash
# Records the captures of samples/tls: one failed (or healthy) TLS connection each, between real peers.
#
# usage: record.sh OUT        needs root, go (GO=path), openssl, python3, tcpdump and ip
#
# Everything runs in one network namespace of its own, on its loopback with an MTU of 1500. Beside OUT/NAME.pcap stands
# OUT/NAME.log with what both sides would log, and OUT/NAME.keys where a decryption test needs the secrets.
set -euo pipefail
out=$(realpath "${1:?usage: record.sh OUT}")
here=$(dirname "$(realpath "$0")")
work=$(mktemp -d)
ns=wirecause-lab-$$
ip netns add "$ns"
trap 'ip netns del "$ns"; rm -rf "$work"' EXIT
in_ns() { ip netns exec "$ns" "$@"; }
in_ns ip link set lo mtu 1500 up
(cd "$here" && CGO_ENABLED=0 "${GO:-go}" build -o "$work/peers" .)
mkdir -p "$work/certs" "$out"
"$work/peers" certs "$work/certs"

# record NAME COMMAND... : runs the command while tcpdump records
record() {
    local name=$1
    shift
    rm -f "$work/tcpdump"
    touch "$work/tcpdump"
    ip netns exec "$ns" tcpdump -i lo --immediate-mode -s 0 -U -Z root -w "$out/$name.pcap" tcp port 8443 2>>"$work/tcpdump" &
    local dump=$!
    until grep -q listening "$work/tcpdump"; do sleep 0.05; done
    "$@" >"$out/$name.log" 2>&1 || true
    sleep 0.4
    kill $dump
    wait $dump 2>/dev/null || true
}

both() { in_ns "$work/peers" both "$1"; }
go_scenarios=(
    ok-tls13 ok-tls12 ok-mutual-tls13 ok-mutual-tls12 unknown-ca-tls13 unknown-ca-tls12 expired-server-tls13 wrong-name-tls13
    no-client-cert-tls13 no-client-cert-tls12 bad-client-cert-tls13 bad-client-cert-tls12 expired-client-cert-tls13
    version-mismatch alpn-mismatch no-common-cipher no-serving-cert hello-retry plain-http-server silent-server
    close-on-accept close-after-hello reset-after-hello slow-handler close-instead-of-response second-request-unanswered
)
for scenario in "${go_scenarios[@]}"; do
    case $scenario in
    unknown-ca-tls13 | no-client-cert-tls13 | ok-tls12) export SSLKEYLOGFILE=$out/go-$scenario.keys ;;
    *) unset SSLKEYLOGFILE ;;
    esac
    record "go-$scenario" both "$scenario"
done
unset SSLKEYLOGFILE

# openssl_pair SERVER-OPTIONS -- CLIENT-OPTIONS : s_server -www and one request of s_client
openssl_pair() {
    local server=() client=()
    while [ "$1" != -- ]; do server+=("$1"); shift; done
    shift
    client=("$@")
    ip netns exec "$ns" openssl s_server -accept 127.0.0.1:8443 -cert "$work/certs/server.pem" -naccept 1 -www -quiet "${server[@]}" &
    local pid=$!
    sleep 0.3
    (printf 'GET / HTTP/1.0\r\n\r\n'; sleep 0.3) | in_ns timeout 3 openssl s_client -connect 127.0.0.1:8443 \
        -servername webhook.shop.svc -CAfile "$work/certs/ca.pem" -quiet "${client[@]}" | tail -2 || true
    sleep 0.2
    kill $pid 2>/dev/null || true
    wait $pid || true
}
record openssl-ok-tls13 openssl_pair -num_tickets 2 -- -verify_return_error
record openssl-unknown-ca-tls13 openssl_pair -tls1_3 -- -CAfile "$work/certs/other-ca.pem" -verify_return_error
record openssl-unknown-ca-tls12 openssl_pair -tls1_2 -- -CAfile "$work/certs/other-ca.pem" -verify_return_error
record openssl-wrong-name-tls13 openssl_pair -tls1_3 -- -verify_hostname other.shop.svc -verify_return_error
record openssl-no-client-cert-tls13 openssl_pair -tls1_3 -Verify 1 -CAfile "$work/certs/ca.pem" -- -verify_return_error
record openssl-bad-client-cert-tls13 openssl_pair -tls1_3 -Verify 1 -verify_return_error -CAfile "$work/certs/ca.pem" -- \
    -cert "$work/certs/bad-client.pem"
record openssl-ok-mutual-tls13 openssl_pair -tls1_3 -Verify 1 -verify_return_error -CAfile "$work/certs/ca.pem" -- \
    -cert "$work/certs/client.pem"
record openssl-version-mismatch openssl_pair -tls1_3 -- -tls1_2

# with_keys NAME CLIENT-INPUT SERVER-OPTIONS -- CLIENT-OPTIONS : the same, with its secrets; K in the input updates the keys
with_keys() {
    local name=$1 input=$2 server=()
    shift 2
    while [ "$1" != -- ]; do server+=("$1"); shift; done
    shift
    rm -f "$out/$name.keys"
    in_ns openssl s_server -accept 127.0.0.1:8443 -cert "$work/certs/server.pem" -naccept 1 -rev -quiet "${server[@]}" 2>/dev/null &
    local pid=$!
    sleep 0.3
    (for line in $input Q; do echo "$line"; sleep 0.2; done) | in_ns timeout 3 openssl s_client -connect 127.0.0.1:8443 \
        -servername webhook.shop.svc -CAfile "$work/certs/ca.pem" -keylogfile "$out/$name.keys" "$@" | tail -2 || true
    kill $pid 2>/dev/null || true
    wait $pid || true
}
# Two requests with an update of the keys of both sides between them.
record keys-chacha-tls13 with_keys keys-chacha-tls13 'one K two' -- -ciphersuites TLS_CHACHA20_POLY1305_SHA256
record keys-aes256-tls13 with_keys keys-aes256-tls13 one -- -ciphersuites TLS_AES_256_GCM_SHA384
record keys-chacha-tls12 with_keys keys-chacha-tls12 one -tls1_2 -- -cipher ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-CHACHA20-POLY1305
record keys-aes256-tls12 with_keys keys-aes256-tls12 one -tls1_2 -- -cipher ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384
record keys-cbc-tls12 with_keys keys-cbc-tls12 one -tls1_2 -- -cipher ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA
record keys-http2 in_ns python3 "$here/http2.py" "$work/certs" "$out/keys-http2.keys"
record keys-late-client-cert-tls13 in_ns python3 "$here/late_client_cert.py" "$work/certs" "$out/keys-late-client-cert-tls13.keys"

go_server() {
    ip netns exec "$ns" "$work/peers" server go-server "$work/certs" &
    local pid=$!
    sleep 0.3
    (printf 'POST /validate HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'; sleep 0.3) |
        in_ns timeout 3 openssl s_client -connect 127.0.0.1:8443 -CAfile "$work/certs/ca.pem" -quiet | tail -1 || true
    wait $pid || true
}
go_client() {
    ip netns exec "$ns" openssl s_server -accept 127.0.0.1:8443 -cert "$work/certs/server.pem" -naccept 1 -www -quiet &
    local pid=$!
    sleep 0.3
    in_ns "$work/peers" client go-client "$work/certs" || true
    kill $pid 2>/dev/null || true
    wait $pid || true
}
record mixed-go-server go_server
record mixed-go-client go_client
