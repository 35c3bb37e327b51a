#!/usr/bin/env python3
"""Records incidents like those that a real cluster leaves: OUT/NAME/bundle and, beside it, the answer in truth.json.

usage: record.py OUT [--only TEXT] [--jobs N] [--list]        needs root, go (GO=path), tcpdump, tshark, iptables, conntrack, openssl, nginx, haproxy

Each incident runs in network namespaces of its own, which end with it.
"""
import argparse, concurrent.futures, os, subprocess, sys, tempfile, traceback

here = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, here)
from lab import Lab
from scenarios import SCENARIOS


def record(name, out, actors):
    run, options = SCENARIOS[name]
    options = dict(options)
    lab = Lab(name, f'{out}/{name}', actors, v6=options.pop('v6', False))
    lab.format, lab.objects = options.pop('format', 'short-iso'), options.pop('objects', 'json')
    try:
        run(lab, **options)
        if options.get('nat_dump') == 'no':
            lab.nat = False
    finally:
        lab.finish()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('out', nargs='?')
    ap.add_argument('--only', default='')
    ap.add_argument('--jobs', type=int, default=6)
    ap.add_argument('--list', action='store_true')
    args = ap.parse_args()
    names = [n for n in SCENARIOS if args.only in n]
    if args.list or not args.out:
        print('\n'.join(names))
        return
    out = os.path.abspath(args.out)
    actors = os.path.join(tempfile.mkdtemp(), 'actors')
    subprocess.run([os.environ.get('GO', 'go'), 'build', '-o', actors, './incidents'], cwd=os.path.dirname(here), check=True, env={**os.environ, 'CGO_ENABLED': '0'})
    with concurrent.futures.ProcessPoolExecutor(args.jobs) as pool:
        jobs = {pool.submit(record, n, out, actors): n for n in names}
        for job in concurrent.futures.as_completed(jobs):
            error = job.exception()
            print(f'{jobs[job]}: {error or "recorded"}', flush=True)
            if error and os.environ.get('VERBOSE'):
                traceback.print_exception(error)


main()
