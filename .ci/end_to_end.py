"""Runs the release binary on samples as a user would and asserts the answer in the JSON: python3 .ci/end_to_end.py BIN"""

import json
import subprocess
import sys

CASES = [
    # sample, verdict, cause, calls, the name that the target must hold
    ("refused-nothing-listening", "connection_refused", "rst_from_pod_nothing_listening", 5, "policy-webhook.policy-system.svc"),
    ("silent-after-client-hello", "tls_handshake_timeout", "client_hello_acked_no_server_hello", 2, "vault-agent-injector-svc.vault.svc"),
    ("lossy-link", None, None, 0, None),
]


def loud_findings(binary, sample):
    run = subprocess.run(
        [binary, "analyze", f"samples/{sample}/bundle", "--format", "json"], capture_output=True, timeout=60, check=False
    )
    assert run.returncode == 0, f"{sample}: exit {run.returncode}: {run.stderr.decode()}"
    report = json.loads(run.stdout)
    assert report["schema"] == "wirecause.report/1", report["schema"]
    return [f for f in report["findings"] if f["severity"] != "info"]


def main():
    for sample, verdict, cause, calls, name in CASES:
        findings = loud_findings(sys.argv[1], sample)
        seen = [(f["verdict"], f["cause"], f["count"]) for f in findings]
        wanted = [(verdict, cause, calls)] if verdict else []
        assert seen == wanted, f"{sample}: {seen} where {wanted} was expected"
        for finding in findings:
            assert name in json.dumps(finding["target"]), f"{sample}: {name} is not in {finding['target']}"
            assert all(o["logs"] and o["flows"] for o in finding["occurrences"]), f"{sample}: a call without its proof"
        print(f"{sample}: {seen or 'no finding, as it should be'}")


main()
