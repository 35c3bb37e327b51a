"""A small cluster in network namespaces, real traffic in it, and the bundle that a customer would send afterwards.

cp-1 (the API server's host), node-1 (with pods behind it), peer (etcd, a proxy, a server outside the cluster) and client
are namespaces on one bridge, which is a namespace too: nothing reaches the machine's own network.
Calls are made by `actors call` with the transport settings of the API server, so error texts are Go's own;
the lines around them are written as kube-apiserver v1.36 writes them.
"""
import base64, json, os, re, shutil, subprocess, threading, time
from datetime import datetime, timezone

WINDOW = ['-s', '0', '-U', '--immediate-mode', '-Z', 'root']
LAN4, LAN6, POD4, POD6 = '192.168.64.', 'fd00:64::', '10.244.1.', 'fd00:244:1::'
HOSTS = {'cp': 10, 'node1': 20, 'peer': 30, 'client': 77}


def sh(*words, check=True, **more):
    return subprocess.run([str(w) for w in words], check=check, capture_output=True, text=True, **more).stdout


def klog_stamp(ns):
    t = datetime.fromtimestamp(ns // 10**9, timezone.utc)
    return f'{t:%m%d %H:%M:%S}.{ns % 10**9 // 1000:06}'


def rfc3339(ns):
    return f'{datetime.fromtimestamp(ns // 10**9, timezone.utc):%Y-%m-%dT%H:%M:%S}.{ns % 10**9:09}Z'


class Lab:
    def __init__(self, name, out, actors, v6=False):
        self.name, self.out, self.actors, self.v6 = name, out, actors, v6
        self.bundle = f'{out}/bundle'
        shutil.rmtree(out, ignore_errors=True)
        for d in ('pcap', 'logs', 'cluster'):
            os.makedirs(f'{self.bundle}/{d}')
        self.tag = f'wcl{os.getpid() % 10000}-{name[:24]}-'
        self.spaces, self.running, self.dumps, self.lines, self.kubectl = [], [], [], [], []
        self.services, self.hooks, self.pods, self.failures, self.extra_objects = [], [], {}, [], []
        self.pid = 1000 + hash(name) % 30000
        self.format = 'short-iso'
        self.objects = 'json'
        self.nat = True
        self.certs = f'{out}/certs'
        sh(actors, 'certs', self.certs)
        self._hosts()

    # ---- network

    def ns(self, host):
        return self.tag + host

    def ip(self, host, *words):
        return sh('ip', '-n', self.ns(host), *words)

    def on(self, host, *words, **more):
        return sh('ip', 'netns', 'exec', self.ns(host), *words, **more)

    def _space(self, host):
        sh('ip', 'netns', 'add', self.ns(host))
        self.spaces.append(host)
        self.ip(host, 'link', 'set', 'lo', 'up')
        self.on(host, 'sysctl', '-qw', 'net.ipv6.conf.all.accept_dad=0', 'net.ipv6.conf.default.accept_dad=0')

    def _plug(self, host, into, bridge, four, six):
        port = f'p-{host}'[:15]
        self.ip(host, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', port, 'netns', self.ns(into))
        self.ip(into, 'link', 'set', port, 'master', bridge, 'up')
        self.ip(host, 'link', 'set', 'eth0', 'up')
        self.ip(host, 'addr', 'add', f'{four}/24', 'dev', 'eth0')
        self.ip(host, 'addr', 'add', f'{six}/64', 'dev', 'eth0', 'nodad')
        for offload in ('tso', 'gso', 'gro', 'tx'):
            self.on(host, 'ethtool', '-K', 'eth0', offload, 'off', check=False) if shutil.which('ethtool') else None

    def _hosts(self):
        self._space('lan')
        self.ip('lan', 'link', 'add', 'br0', 'type', 'bridge')
        self.ip('lan', 'link', 'set', 'br0', 'up')
        for host, n in HOSTS.items():
            self._space(host)
            self._plug(host, 'lan', 'br0', f'{LAN4}{n}', f'{LAN6}{n}')
        self.ip('node1', 'link', 'add', 'cbr0', 'type', 'bridge')
        self.ip('node1', 'addr', 'add', f'{POD4}1/24', 'dev', 'cbr0')
        self.ip('node1', 'addr', 'add', f'{POD6}1/64', 'dev', 'cbr0', 'nodad')
        self.ip('node1', 'link', 'set', 'cbr0', 'up')
        self.on('node1', 'sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1')
        for host in ('cp', 'peer', 'client'):
            self.ip(host, 'route', 'add', f'{POD4}0/24', 'via', f'{LAN4}20')
            self.ip(host, '-6', 'route', 'add', f'{POD6}/64', 'via', f'{LAN6}20')
            self.ip(host, 'route', 'add', 'default', 'via', f'{LAN4}20')
            self.ip(host, '-6', 'route', 'add', 'default', 'via', f'{LAN6}20')

    def pod(self, n, name, namespace='shop'):
        host = f'pod{n}'
        self._space(host)
        self._plug(host, 'node1', 'cbr0', f'{POD4}{n}', f'{POD6}{n}')
        self.ip(host, 'route', 'add', 'default', 'via', f'{POD4}1')
        self.ip(host, '-6', 'route', 'add', 'default', 'via', f'{POD6}1')
        self.pods[host] = dict(name=name, namespace=namespace, ip=(POD6 if self.v6 else POD4) + str(n))
        return host

    def address(self, host):
        if host in HOSTS:
            return (LAN6 if self.v6 else LAN4) + str(HOSTS[host])
        return self.pods[host]['ip']

    # ---- what runs

    def start(self, host, *words, log=None, ready=None):
        """Starts a program; each line of its log is stamped when it is written, as a container runtime does."""
        p = subprocess.Popen(['ip', 'netns', 'exec', self.ns(host), *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT if not ready else subprocess.PIPE)
        self.running.append(p)
        if ready:
            p.stdout.readline()
        stream = p.stderr if ready else p.stdout

        def follow():
            with open(log or os.devnull, 'ab', buffering=0) as out:
                for line in stream:
                    out.write(f'{rfc3339(time.time_ns())} '.encode() + line)
        threading.Thread(target=follow, daemon=True).start()
        return p

    def serve(self, host, port, cert='hook', log=None, **options):
        """A Go server on a pod or host; its own log becomes part of the bundle where it is a pod."""
        path = f'{self.out}/{host}-{port}.log'
        where = f'[{self.address(host)}]' if self.v6 else self.address(host)
        words = [self.actors, 'serve', '-listen', f'{options.pop("bind", where)}:{port}', '-cert', f'{self.certs}/{cert}']
        for key, value in options.items():
            words += [f'-{key.replace("_", "-")}'] + ([] if value is True else [value])
        return self.start(host, *words, log=path, ready=True)

    def capture(self, host, interface='eth0', name=None, options=(), filter=''):
        label = name or {'cp': 'cp-1', 'node1': 'node-1', 'peer': 'peer', 'client': 'client'}.get(host, host)
        file = f'pcap/{label}-{interface}.pcap'
        err = open(f'{self.out}/tcpdump-{label}-{interface}', 'w+')
        p = subprocess.Popen(['ip', 'netns', 'exec', self.ns(host), 'tcpdump', '-i', interface, *WINDOW, *options, '-w', f'{self.bundle}/{file}',
                              *filter.split()], stderr=err)
        for _ in range(100):
            err.seek(0)
            if 'listening' in err.read():
                break
            time.sleep(0.03)
        self.dumps.append((p, dict(files=[file], taken_in=host, interface=interface, options=' '.join(options), filter=filter)))
        return p

    def service(self, namespace, name, backends, port=443, target=9443, cluster_ip=None):
        n = 20 + len(self.services)
        address = cluster_ip or (f'fd00:96::{n}' if self.v6 else f'10.96.12.{n}')
        svc = dict(namespace=namespace, name=name, ip=address, port=port, target=target, backends=[self.address(b) for b in backends],
                   hosts=backends, host=f'{name}.{namespace}.svc')
        self.services.append(svc)
        if self.nat:
            self._translate(svc, n)
        return svc

    def _translate(self, svc, n):
        """kube-proxy's chains for one service."""
        tool = 'ip6tables' if self.v6 else 'iptables'
        run = lambda *w: self.on('cp', tool, '-w', *w)
        title = f'{svc["namespace"]}/{svc["name"]}:https'
        if len(self.services) == 1:
            run('-t', 'nat', '-N', 'KUBE-SERVICES')
            for chain in ('PREROUTING', 'OUTPUT'):
                run('-t', 'nat', '-A', chain, '-m', 'comment', '--comment', 'kubernetes service portals', '-j', 'KUBE-SERVICES')
        chain = f'KUBE-SVC-{n:016}'
        run('-t', 'nat', '-N', chain)
        run('-t', 'nat', '-A', 'KUBE-SERVICES', '-d', svc['ip'], '-p', 'tcp', '-m', 'comment', '--comment', f'{title} cluster IP', '-m', 'tcp',
            '--dport', svc['port'], '-j', chain)
        for k, backend in enumerate(svc['backends']):
            to = f'[{backend}]:{svc["target"]}' if self.v6 else f'{backend}:{svc["target"]}'
            end, left = f'KUBE-SEP-{n:014}{k:02}', len(svc['backends']) - k
            run('-t', 'nat', '-N', end)
            run('-t', 'nat', '-A', end, '-p', 'tcp', '-m', 'comment', '--comment', title, '-m', 'tcp', '-j', 'DNAT', '--to-destination', to)
            pick = ['-m', 'statistic', '--mode', 'random', '--probability', f'{1 / left:.11f}'] if left > 1 else []
            run('-t', 'nat', '-A', chain, '-m', 'comment', '--comment', f'{title} -> {to}', *pick, '-j', end)

    def webhook(self, name, svc=None, url=None, ca='ca', timeout=10, policy='Fail', kind='Validating', path='/validate'):
        hook = dict(name=name, svc=svc, url=url, ca=ca, timeout=timeout, policy=policy, kind=kind, path=path)
        self.hooks.append(hook)
        return hook

    # ---- calls

    def hook_call(self, hook, count=3, gap=0.3, delay=0.0, fresh=True, **more):
        """A call as the admission dispatcher makes it."""
        if hook['svc']:
            svc = hook['svc']
            dial = f'[{svc["ip"]}]:{svc["port"]}' if self.v6 else f'{svc["ip"]}:{svc["port"]}'
            url, sni = f'https://{svc["host"]}:{svc["port"]}{hook["path"]}', svc['host']
        else:
            dial, url, sni = more.pop('Dial', ''), hook['url'], ''
        return dict(Name=hook['name'], kind='webhook', hook=hook, URL=f'{url}?timeout={hook["timeout"]}s', Dial=dial, SNI=sni,
                    CA=f'{self.certs}/{hook["ca"]}.crt', Timeout=hook['timeout'], ClientTimeout=30, Count=count, Gap=gap, Delay=delay, Fresh=fresh, **more)

    def run(self, *calls):
        plans = f'{self.out}/plan.json'
        json.dump([{k: v for k, v in c.items() if k[0].isupper()} for c in calls], open(plans, 'w'))
        text = self.on('cp', self.actors, 'call', plans)
        outcomes = [json.loads(l) for l in text.splitlines()]
        kinds = {c['Name']: c for c in calls}
        for o in sorted(outcomes, key=lambda o: o['End']):
            c = kinds[o['Name']]
            text = describe(o)
            if text:
                self.tell(c, text, o['End'])
        return outcomes

    def log(self, level, place, message, at=None, component='kube-apiserver', group=None):
        at = at or time.time_ns()
        self.lines.append(dict(at=at, level=level, place=place, message=message, component=component, group=group))
        return at

    def tell(self, call, error, at):
        """The lines that the API server writes of a call that failed."""
        g, kind = call['Name'], call['kind']
        unhandled = lambda text: '"Unhandled Error" err="' + text.replace('\\', '\\\\').replace('"', '\\"') + '" logger="UnhandledError"'
        if kind == 'webhook':
            hook = call['hook']
            wrapped = f'failed calling webhook "{hook["name"]}": {"" if error.startswith("received invalid") else "failed to call webhook: "}{error}'
            policy = 'open' if hook['policy'] == 'Ignore' else 'closed'
            line = {'open': 205, 'closed': 217}[policy] if hook['kind'] == 'Validating' else {'open': 213, 'closed': 225}[policy]
            self.log('W', f'dispatcher.go:{line}', f'Failed calling webhook, failing {policy} {hook["name"]}: {wrapped}', at, group=g)
            if policy == 'open':
                self.log('E', 'dispatcher.go:213', unhandled(wrapped), at + 60_000, group=g)
            else:
                self.kubectl.append((at + 2_000_000, 'kubectl create deployment web -n shop --image=registry.example.com/web:1.0',
                                     f'error: failed to create deployment: Internal error occurred: {wrapped}'))
        elif kind == 'conversion':
            text = f'conversion webhook for {call["gvk"]} failed: {error}'
            self.log('E', 'cacher.go:489', f'cacher ({call["resource"]}): unexpected ListAndWatch error: failed to list {call["gvk"]}: {text}; reinitializing...', at, group=g)
            self.kubectl.append((at + 2_000_000, f'kubectl get {call["resource"]}', f'Error from server: {text}'))
        elif kind == 'apiservice':
            self.log('E', 'remote_available_controller.go:493',
                     unhandled(f'{call["Name"]} failed with: failing or missing response from {call["URL"]}: {error}'), at, group=g)
        elif kind == 'oidc':
            self.log('E', 'oidc.go:414', f'"oidc authenticator: initializing plugin" err="{esc(error)}"' if call.get('structured') else f'oidc authenticator: initializing plugin: {error}', at, group=g)
        elif kind == 'kubelet':
            typed = f'&url.Error{{Op:"Get", URL:"{call["URL"]}", Err:(*tls.CertificateVerificationError)(0xc00a1b2c30)}}'
            self.log('E', 'status.go:71', unhandled(f'apiserver received an error that is not an metav1.Status: {typed}: {error}'), at, group=g)
            self.kubectl.append((at + 2_000_000, 'kubectl logs -n shop web-0', f'Error from server: {error}'))
        elif kind == 'audit':
            self.log('E', 'metrics.go:110', f"\"Unhandled Error\" err=\"Error in audit plugin 'webhook' affecting 1 audit events: {esc(error)}\\nImpacted events:\\n"
                     f"2026-11-21T08:00:00Z AUDIT: id=\\\"5f0f\\\" stage=\\\"ResponseComplete\\\" ip=\\\"192.168.64.77\\\" method=\\\"get\\\" user=\\\"admin\\\" uri=\\\"/api\\\" response=\\\"200\\\"\\n\" logger=\"UnhandledError\""
                     if call.get('structured') else f"Error in audit plugin 'webhook' affecting 1 audit events: {error}\nImpacted events:\n"
                     f'2026-11-21T08:00:00.000000Z AUDIT: id="5f0f" stage="ResponseComplete" ip="192.168.64.77" method="get" user="admin" groups="\\"system:masters\\"" as="<self>" asgroups="<lookup>" user-agent="kubectl" namespace="shop" uri="/api/v1/namespaces/shop" response="200"', at, group=g)
        elif kind == 'authn':
            self.log('E', 'webhook.go:154', f'"Failed to make webhook authenticator request" err="{esc(error)}"', at, group=g)
            self.log('E', 'authentication.go:75', f'"Unable to authenticate the request" err="[invalid bearer token, {esc(error)}]"', at + 90_000, group=g)
        elif kind == 'authz':
            self.log('E', 'webhook.go:271', f'"Failed to make webhook authorizer request" err="{esc(error)}"', at, group=g)
        elif kind == 'etcd':
            inner = error.split(': ', 1)[1] if error.startswith('Post') or error.startswith('Get') else error
            where = call['Dial']
            text = f'transport: Error while dialing: {inner}' if inner.startswith('dial') else f'transport: authentication handshake failed: {inner}'
            self.log('W', 'logging.go:55', f'[core] [Channel #61 SubChannel #62] grpc: addrConn.createTransport failed to connect to {{Addr: "{where}", ServerName: "{where}", }}. '
                     f'Err: connection error: desc = "{text.replace(chr(34), chr(92) + chr(34))}"', at, group=g)
            self.zap('retrying of unary invoker failed', f'rpc error: code = Unavailable desc = connection error: desc = \\"{text}\\"', at + 3_000_000, where)

    def zap(self, message, error, at, where):
        self.lines.append(dict(at=at, raw=f'{{"level":"warn","ts":"{rfc3339(at)[:-4]}Z","logger":"etcd-client","caller":"v3@v3.6.8/retry_interceptor.go:65","msg":"{message}",'
                               f'"target":"etcd-endpoints://0xc0009b2d20/{where}","method":"/etcdserverpb.KV/Range","attempt":0,"error":"{error}"}}', group=None, component='kube-apiserver'))

    # ---- the answer key and the bundle

    def expect(self, verdict, slug, group=None, proof=(), contains=None, edge=None, **more):
        """What is wrong: calls of `group` (or lines that contain a text) failed so; `proof` are the server ends of their flows."""
        self.failures.append(dict(verdict=verdict, slug=slug, group=group, proof=set(proof), contains=contains, edge=edge, **more))

    def finish(self):
        time.sleep(0.4)
        if self.nat and self.services:
            tool = 'ip6tables-save' if self.v6 else 'iptables-save'
            open(f'{self.bundle}/cluster/iptables-save.cp.txt', 'w').write(self.on('cp', tool))
            open(f'{self.bundle}/cluster/conntrack.cp.txt', 'w').write(self.on('cp', 'conntrack', '-L', '-f', 'ipv6' if self.v6 else 'ipv4', check=False))
        for p, _ in self.dumps:
            p.terminate()
        for p, _ in self.dumps:
            p.wait()
        for p in self.running:
            p.kill()
            p.wait()
        for host in reversed(self.spaces):
            sh('ip', 'netns', 'del', self.ns(host), check=False)
        self._pod_logs()
        self._write_log()
        self._write_objects()
        self._truth()

    def _pod_logs(self):
        for host, pod in self.pods.items():
            for f in sorted(os.listdir(self.out)):
                if f.startswith(f'{host}-') and f.endswith('.log'):
                    text = open(f'{self.out}/{f}').read()
                    if not text:
                        continue
                    d = f'{self.bundle}/logs/pods/{pod["namespace"]}_{pod["name"]}_1f2e3d4c5b6a/webhook'
                    os.makedirs(d, exist_ok=True)
                    with open(f'{d}/0.log', 'a') as out:
                        out.writelines('{0} stderr F {2}\n'.format(*line.partition(' ')) for line in text.splitlines())

    def _write_log(self):
        noise = [('I', 'controller.go:667', 'quota admission added evaluator for: endpoints'), ('I', 'alloc.go:329', '"allocated clusterIPs" service="shop/hook" clusterIPs={"IPv4":"10.96.12.20"}')]
        first = min([l['at'] for l in self.lines] + [time.time_ns()])
        for k, (level, place, message) in enumerate(noise):
            self.lines.append(dict(at=first - (5 - k) * 10**9, level=level, place=place, message=message, group=None, component='kube-apiserver'))
        self.lines.sort(key=lambda l: l['at'])
        for l in self.lines:
            if 'raw' in l:
                l['text'] = l['raw']
                continue
            l['klog'] = f'{l["level"]}{klog_stamp(l["at"] - 80_000)} {self.pid:>7} {l["place"]}]'
            l['text'] = f'{l["klog"]} {l["message"]}'
            if self.format == 'klog-json':
                l['klog'] = f'"ts":{klog_json_ts(l)}'
        write = {'short-iso': ('journalctl-kube-apiserver.cp-1.log', journal('short-iso')), 'short': ('journalctl-kube-apiserver.cp-1.log', journal('short')),
                 'cri': ('kube-apiserver/0.log', lambda l, t: f'{rfc3339(l["at"])} stderr F {t}'),
                 'docker': ('c0ffee-json.log', lambda l, t: json.dumps(dict(log=t + '\n', stream='stderr', time=rfc3339(l['at'])))),
                 'plain': ('kube-apiserver.log', lambda l, t: t),
                 'klog-json': ('kube-apiserver.log', klog_json), 'journal-json': ('journal.json', journal_json)}[self.format]
        path = f'{self.bundle}/logs/{write[0]}'
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w') as f:
            for l in self.lines:
                for t in [l['text']] if self.format == 'klog-json' else l['text'].split('\n'):
                    f.write(write[1](l, t) + '\n')
        if self.kubectl:
            with open(f'{self.bundle}/logs/kubectl.txt', 'w') as f:
                for at, command, text in sorted(self.kubectl):
                    f.write(f'# {rfc3339(at)[:19]}Z\n$ {command}\n{text}\n\n')

    def _write_objects(self):
        if self.objects == 'none':
            shutil.rmtree(f'{self.bundle}/cluster')
            return
        items = {'services': [], 'endpointslices': [], 'validatingwebhookconfigurations': [], 'mutatingwebhookconfigurations': [], 'pods': [], 'nodes': []}
        for s in self.services:
            items['services'].append(dict(apiVersion='v1', kind='Service', metadata=dict(name=s['name'], namespace=s['namespace']), spec=dict(
                clusterIP=s['ip'], clusterIPs=[s['ip']], ports=[dict(name='https', port=s['port'], protocol='TCP', targetPort=s['target'])], type='ClusterIP')))
            ends = []
            for host, address in zip(s['hosts'], s['backends']):
                e = dict(addresses=[address], conditions=dict(ready=True, serving=True, terminating=False), nodeName='cp-1' if host == 'cp' else 'node-1')
                if host in self.pods:
                    e['targetRef'] = dict(kind='Pod', name=self.pods[host]['name'], namespace=s['namespace'])
                ends.append(e)
            items['endpointslices'].append(dict(apiVersion='discovery.k8s.io/v1', kind='EndpointSlice', addressType='IPv6' if self.v6 else 'IPv4', endpoints=ends,
                metadata=dict(name=f'{s["name"]}-abcde', namespace=s['namespace'], labels={'kubernetes.io/service-name': s['name']}), ports=[dict(name='https', port=s['target'], protocol='TCP')]))
        for h in self.hooks:
            where = dict(service=dict(name=h['svc']['name'], namespace=h['svc']['namespace'], path=h['path'], port=h['svc']['port'])) if h['svc'] else dict(url=h['url'])
            where['caBundle'] = base64.b64encode(open(f'{self.certs}/{h["ca"]}.crt', 'rb').read()).decode()
            items[f'{h["kind"].lower()}webhookconfigurations'].append(dict(apiVersion='admissionregistration.k8s.io/v1', kind=f'{h["kind"]}WebhookConfiguration', metadata=dict(name=h['name']),
                webhooks=[dict(admissionReviewVersions=['v1'], clientConfig=where, failurePolicy=h['policy'], name=h['name'], sideEffects='None', timeoutSeconds=h['timeout'])]))
        for p in self.pods.values():
            items['pods'].append(dict(apiVersion='v1', kind='Pod', metadata=dict(name=p['name'], namespace=p['namespace']), spec=dict(nodeName='node-1'), status=dict(podIP=p['ip'], podIPs=[dict(ip=p['ip'])], phase='Running')))
        for node, host in (('cp-1', 'cp'), ('node-1', 'node1')):
            items['nodes'].append(dict(apiVersion='v1', kind='Node', metadata=dict(name=node), status=dict(addresses=[dict(type='InternalIP', address=self.address(host)), dict(type='Hostname', address=node)])))
        for o in self.extra_objects:
            items.setdefault(o['kind'].lower() + 's', []).append(o)
        for name, list_ in items.items():
            if list_:
                if self.objects == 'yaml':
                    import yaml
                    yaml.safe_dump(dict(apiVersion='v1', kind='List', items=list_), open(f'{self.bundle}/cluster/{name}.yaml', 'w'))
                else:
                    json.dump(dict(apiVersion='v1', kind='List', items=list_), open(f'{self.bundle}/cluster/{name}.json', 'w'), indent=1)

    def _flows(self, file):
        out = sh('tshark', '-r', f'{self.bundle}/{file}', '-Y', 'tcp && !icmp && !icmpv6', '-T', 'fields', '-e', 'frame.number', '-e', 'frame.time_epoch', '-e', 'ip.src', '-e', 'ipv6.src',
                 '-e', 'tcp.srcport', '-e', 'ip.dst', '-e', 'ipv6.dst', '-e', 'tcp.dstport', check=False)
        for row in out.splitlines():
            n, t, s4, s6, sp, d4, d6, dp = row.split('\t')
            yield int(n), float(t), f'{s4 or s6}:{sp}', f'{d4 or d6}:{dp}'

    def _truth(self):
        seen = {c['files'][0]: list(self._flows(c['files'][0])) for _, c in self.dumps}
        failures = []
        for f in self.failures:
            flows = {}
            for file, packets in seen.items():
                for n, t, s, d in packets:
                    pair = (s, d) if d in f['proof'] else (d, s) if s in f['proof'] else None
                    if pair and pair not in flows:
                        flows[pair] = dict(src=pair[0], dst=pair[1], first_frame=n, pcap=file, time=t)
            lines = [l for l in self.lines if l.get('klog') and f['group'] and l['group'] == f['group'] and l['level'] != 'E' or l.get('klog') and f['group'] and l['group'] == f['group'] and l['level'] == 'E' and not any(
                m['group'] == f['group'] and m['level'] == 'W' for m in self.lines)]
            instances = []
            for l in lines:
                near = [x for x in flows.values() if x['time'] * 1e9 < l['at'] + 5e6]
                flow = max(near, key=lambda x: x['time']) if near else None
                instances.append(dict(log_time_utc=rfc3339(l['at']), klog=l['klog'], **(dict(flow=f'{flow["src"]} -> {flow["dst"]}') if flow else {})))
            failures.append({'class': f['verdict'], 'root_cause_slug': f['slug'], 'edge': f['edge'], 'log_line_contains': f['contains'] or (lines[0]['message'][-80:].split('\n')[0] if lines else '-'),
                             'count': f.get('count') or len(lines), 'flows': list(flows.values()), 'example_line': lines[0]['text'] if lines else None, **({'instances': instances} if instances else {}),
                             **{k: v for k, v in f.items() if k in ('same_calls_as_failure', 'root_cause')}})
        json.dump(dict(scenario=self.name, log=dict(format=self.format, timezone='UTC'), captures=[c for _, c in self.dumps], failures=failures), open(f'{self.out}/truth.json', 'w'), indent=1)
        for f in os.listdir(self.out):
            if f not in ('bundle', 'truth.json'):
                p = f'{self.out}/{f}'
                shutil.rmtree(p) if os.path.isdir(p) else os.remove(p)


def esc(text):
    return text.replace('\\', '\\\\').replace('"', '\\"')


def describe(o):
    """The error that client-go makes of an outcome; none where the call went well."""
    if o['Error']:
        return o['Error']
    if o['Status'] < 400:
        if not o['Type'].startswith('application/json'):
            return f'serializer for {o["Type"]} doesn\'t exist'
        if '"uid"' not in o['Body']:
            return 'received invalid webhook response: expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got /, Kind='
        return None
    known = {404: 'the server could not find the requested resource', 503: 'the server is currently unable to handle the request', 403: o['Body'].strip(),
             401: 'the server has asked for the client to provide credentials', 504: 'the server was unable to return a response in the time allotted, but may still be processing the request'}
    return known.get(o['Status']) or f'an error on the server ({json.dumps(o["Body"].strip())}) has prevented the request from succeeding'


def journal(style):
    def line(l, text):
        t = datetime.fromtimestamp(l['at'] // 10**9, timezone.utc)
        stamp = f'{t:%b %d %H:%M:%S}' if style == 'short' else f'{t:%Y-%m-%dT%H:%M:%S}.{l["at"] % 10**9 // 1000:06}+0000'
        return f'{stamp} cp-1 {l["component"]}[4711]: {text}'
    return line


def klog_json_ts(l):
    return (l['at'] - 80_000) / 1e6


def klog_json(l, text):
    if 'raw' in l:
        return text
    m = re.match(r'"(Unhandled Error)" err="(.*)" logger="UnhandledError"$', l['message'], re.S)
    body = dict(msg=m[1], err=m[2].replace('\\"', '"').replace('\\\\', '\\'), logger='UnhandledError') if m else dict(msg=l['message'], v=0)
    return json.dumps(dict(ts=klog_json_ts(l), caller=l['place'], **body), separators=(',', ':'))


def journal_json(l, text):
    return json.dumps(dict(__REALTIME_TIMESTAMP=str(l['at'] // 1000), _HOSTNAME='cp-1', SYSLOG_IDENTIFIER=l['component'], _PID='4711', PRIORITY='6', MESSAGE=text))
