"""What goes wrong in each incident, and what the right answer is. One function each; record.py runs them."""
import calendar, os, subprocess, threading, time

SCENARIOS = {}


def scenario(*variants, **fixed):
    def add(f):
        for v in variants or ({},):
            parts = [f.__name__] + [k if x is True else str(x) for k, x in v.items()]
            name = '-'.join(''.join(c if c.isalnum() else '-' for c in p.replace('.', '')).strip('-').lower() for p in parts)
            SCENARIOS[name] = (f, {**fixed, **v})
        return f
    return add


def hook_on(lab, pods=(41,), port=9443, timeout=10, cert='hook', ca='ca', policy='Fail', **server):
    """The webhook hook.shop.svc on some pods, beside a healthy one that every incident has."""
    hosts = [lab.pod(n, f'hook-6c9d7b5f4-{n:05}') for n in pods]
    if server.pop('up', True):
        for h in hosts:
            lab.serve(h, port, cert, **server)
    svc = lab.service('shop', 'hook', hosts, target=port)
    return lab.webhook('validate.hook.example.com', svc, ca=ca, timeout=timeout, policy=policy), svc, hosts


def ends(lab, hosts, port=9443):
    return [f'{lab.address(h)}:{port}' for h in hosts]


def healthy(lab):
    """Calls that go well, so that the capture shows that it sees them."""
    if 'pod20' not in lab.pods:
        h = lab.pod(20, 'audit-webhook-6c9d7b5f4-x7k2p', 'platform-audit')
        lab.serve(h, 10250, 'other', name='audit-webhook')
        s = lab.service('platform-audit', 'audit-webhook', [h], target=10250)
        lab.ok = lab.webhook('audit.platform.example.com', s)
    return dict(lab.hook_call(lab.ok, count=2, gap=0.1), SNI='other.shop.svc')


def go(lab, *calls, where='eth0', node=None, **capture):
    ok = healthy(lab)
    if where:
        lab.capture('cp', where, **capture)
    if node:
        lab.capture('node1', node)
    lab.run(ok)
    lab.run(*calls)
    lab.run(ok)


# ---- refused

@scenario({}, dict(v6=True), dict(format='cri'), dict(where='any'), dict(objects='none'), dict(nat_dump='no'))
def refused_pod(lab, where='eth0', **_):
    hook, svc, hosts = hook_on(lab, up=False)
    go(lab, lab.hook_call(hook), where=where)
    lab.expect('connection_refused', 'rst_from_pod_nothing_listening', hook['name'], ends(lab, hosts), edge='webhook')


@scenario({}, dict(where='any'), dict(kind='service'), dict(v6=True))
def refused_node(lab, where='eth0', kind='url', **_):
    """A host-network webhook on node-1's own address."""
    if kind == 'service':
        svc = lab.service('shop', 'hook', ['node1'])
        hook = lab.webhook('validate.hook.example.com', svc)
    else:
        a = lab.address('node1')
        hook = lab.webhook('validate.hook.example.com', url=f'https://{"[" + a + "]" if lab.v6 else a}:9443/validate')
    go(lab, lab.hook_call(hook), where=where)
    lab.expect('connection_refused', 'rst_from_node_nothing_listening', hook['name'], ends(lab, ['node1']), edge='webhook')


@scenario({}, dict(at='127.0.0.1'), dict(objects='none'))
def refused_own_host(lab, at='192.168.64.10', **_):
    hook = lab.webhook('validate.hook.example.com', url=f'https://{at}:9443/validate')
    go(lab, lab.hook_call(hook), where='any')
    lab.expect('connection_refused', 'rst_from_own_host_nothing_listening', hook['name'], [f'{at}:9443'], edge='webhook')


@scenario({}, dict(structured=True), dict(format='cri'))
def refused_audit_webhook(lab, structured=False, **_):
    call = dict(Name='audit', kind='audit', URL='https://192.168.64.20:8443/events?timeout=30s', CA=f'{lab.certs}/ca.crt', Timeout=30, Count=3, Gap=.5, structured=structured)
    go(lab, call)
    lab.expect('connection_refused', 'rst_nothing_listening_audit_webhook', 'audit', ['192.168.64.20:8443'], edge='audit_webhook')


@scenario({}, dict(at='127.0.0.1'), dict(format='docker'))
def etcd_refused(lab, at='192.168.64.30', **_):
    call = dict(Name='etcd', kind='etcd', URL=f'https://{at}:2379/health', Dial=f'{at}:2379', CA=f'{lab.certs}/kube-ca.crt', Timeout=5, Count=4, Gap=.6, HTTP2=True, Fresh=True)
    go(lab, call, where='any' if at[0:3] == '127' else 'eth0')
    lab.expect('connection_refused', 'etcd_rst_nothing_listening', 'etcd', [f'{at}:2379'], edge='etcd')


@scenario({}, dict(target='service'))
def refused_proxy(lab, target='url', **_):
    if target == 'url':
        hook = lab.webhook('validate.hook.example.com', url='https://hooks.example.com:8443/validate')
    else:
        hook, _, _ = hook_on(lab)
    go(lab, dict(lab.hook_call(hook), Proxy='http://192.168.64.30:3128'))
    lab.expect('connection_refused', 'rst_from_proxy_nothing_listening', hook['name'], ['192.168.64.30:3128'], edge='proxy')


@scenario({}, dict(objects='none'), dict(nat_dump='no'))
def refused_one_of_four(lab, **_):
    hook, svc, hosts = hook_on(lab, pods=(41, 42, 43, 44), up=False)
    for h in hosts[:3]:
        lab.serve(h, 9443)
    go(lab, lab.hook_call(hook, count=24, gap=.05))
    lab.expect('connection_refused', 'rst_from_one_of_four_endpoints', hook['name'], ends(lab, hosts[3:]), edge='webhook')


@scenario({}, dict(where='any'), dict(node='any'))
def fw_rst_on_syn(lab, where='eth0', node=None, **_):
    hook, svc, hosts = hook_on(lab)
    lab.on('node1', 'iptables', '-I', 'FORWARD', '-d', lab.address(hosts[0]), '-p', 'tcp', '--dport', 9443, '-j', 'REJECT', '--reject-with', 'tcp-reset')
    go(lab, lab.hook_call(hook), where=where, node=node)
    lab.expect('connection_refused', 'rst_injected_by_firewall_on_syn', hook['name'], ends(lab, hosts), edge='webhook')


@scenario({}, dict(where='any'), dict(node='any'), dict(MaxVersion='1.2'))
def fw_rst_on_hello(lab, where='eth0', node=None, MaxVersion='', **_):
    hook, svc, hosts = hook_on(lab)
    lab.on('node1', 'iptables', '-I', 'FORWARD', '-d', lab.address(hosts[0]), '-p', 'tcp', '--dport', 9443, '-m', 'string', '--algo', 'bm', '--string', 'hook.shop.svc', '-j', 'REJECT', '--reject-with', 'tcp-reset')
    go(lab, lab.hook_call(hook, MaxVersion=MaxVersion), where=where, node=node)
    lab.expect('connection_reset', 'rst_injected_by_firewall_on_client_hello', hook['name'], ends(lab, hosts), edge='webhook')


@scenario({}, dict(how='filter'), dict(how='any'))
def refused_not_captured(lab, how='out', **_):
    hook, svc, hosts = hook_on(lab, up=False)
    options = dict(out=dict(options=['-Q', 'out']), filter=dict(filter='src host 192.168.64.10'), any=dict(options=['-Q', 'out']))[how]
    go(lab, lab.hook_call(hook), where='any' if how == 'any' else 'eth0', **options)
    lab.expect('connection_refused', 'refused_reply_not_captured', hook['name'], ends(lab, hosts), edge='webhook')


@scenario({}, dict(objects='none'))
def refused_not_in_capture(lab, **_):
    """The capture is filtered to something else."""
    hook, svc, hosts = hook_on(lab, up=False)
    go(lab, lab.hook_call(hook), filter='port 10250')
    lab.expect('connection_refused', 'not_in_capture', hook['name'], ends(lab, hosts), edge='webhook')


@scenario({}, dict(how='filter'))
def alert_not_captured(lab, how='out', **_):
    hook, svc, hosts = hook_on(lab, min='1.3')
    options = dict(out=dict(options=['-Q', 'out']), filter=dict(filter='src host 192.168.64.10'))[how]
    go(lab, lab.hook_call(hook, MaxVersion='1.2'), **options)
    lab.expect('tls_handshake_failure', 'alert_not_captured', hook['name'], ends(lab, hosts), edge='webhook')


@scenario({}, dict(where='any'))
def handshake_start_not_captured(lab, where='eth0', **_):
    hook, svc, hosts = hook_on(lab, raw='silent', timeout=30)
    ok = healthy(lab)
    t = threading.Thread(target=lambda: lab.run(lab.hook_call(hook, count=1)))
    t.start()
    time.sleep(4)
    lab.capture('cp', where)
    t.join()
    lab.run(ok)
    lab.expect('tls_handshake_timeout', 'handshake_start_not_captured', hook['name'], ends(lab, hosts), edge='webhook')


# ---- dropped

def drop(lab, to, port, where='node1', chain='FORWARD', *more):
    lab.on(where, 'ip6tables' if lab.v6 else 'iptables', '-I', chain, '-d', to, '-p', 'tcp', '--dport', port, *more, '-j', 'DROP')


@scenario({}, dict(v6=True), dict(timeout=30), dict(where='any'), dict(node='any'), dict(objects='none'))
def syn_dropped(lab, where='eth0', timeout=5, node=None, **_):
    hook, svc, hosts = hook_on(lab, timeout=timeout)
    drop(lab, lab.address(hosts[0]), 9443)
    go(lab, lab.hook_call(hook, count=2), where=where, node=node)
    lab.expect('io_timeout', 'syn_dropped', hook['name'], ends(lab, hosts), edge='webhook')


@scenario({}, dict(at='audit'))
def syn_dropped_etimedout(lab, at='hook', **_):
    hook, svc, hosts = hook_on(lab, timeout=30)
    lab.on('cp', 'sysctl', '-qw', 'net.ipv4.tcp_syn_retries=2')
    drop(lab, lab.address(hosts[0]), 9443)
    call = lab.hook_call(hook, count=2)
    if at == 'audit':
        call = dict(call, kind='audit')
    go(lab, call)
    lab.expect('io_timeout', 'syn_dropped_etimedout', hook['name'], ends(lab, hosts), edge='webhook' if at == 'hook' else 'audit_webhook')


@scenario({}, dict(node='any'), dict(timeout=5), dict(where=None, node='any'), dict(filled_by='calls', timeout=5), dict(filled_by='calls', timeout=12),
          dict(filled_by='calls', timeout=5, where=None, node='any'))
def accept_queue_full(lab, timeout=10, where='eth0', node=None, filled_by='others', **_):
    """Nobody accepts: connections of others fill the queue, or the first of the calls do, which are then never answered."""
    hook, svc, hosts = hook_on(lab, raw='never-accept', backlog=1, timeout=timeout)
    ok = healthy(lab)
    if filled_by == 'others':
        lab.on(hosts[0], 'sh', '-c', f'for i in 1 2; do (sleep 60 | timeout 60 bash -c "cat > /dev/tcp/{lab.address(hosts[0])}/9443") >/dev/null 2>&1 & done; sleep .5')
    go(lab, lab.hook_call(hook, count=2 if filled_by == 'others' else 4), where=where, node=node)
    lab.expect('io_timeout', 'syn_dropped_accept_queue_full', hook['name'], ends(lab, hosts), edge='webhook')


def etcd_call(lab, **more):
    return dict(Name='etcd', kind='etcd', URL='https://192.168.64.30:2379/health', Dial='192.168.64.30:2379', CA=f'{lab.certs}/kube-ca.crt', HTTP2=True, Method='GET', **more)


@scenario({}, dict(format='cri'))
def etcd_syn_dropped(lab, **_):
    drop(lab, '192.168.64.30', 2379, 'peer', 'INPUT')
    go(lab, etcd_call(lab, Timeout=20, Count=1, Fresh=True))
    lab.expect('io_timeout', 'etcd_syn_dropped', 'etcd', ['192.168.64.30:2379'], edge='etcd')


@scenario({}, dict(how='reconnect'))
def etcd_packets_dropped(lab, how='kept', **_):
    """The connection to etcd stands; then its packets are dropped, and the requests on it run into their deadlines."""
    lab.serve('peer', 2379, 'etcd')
    ok = healthy(lab)
    lab.capture('cp')
    lab.run(ok)
    call = dict(etcd_call(lab, Timeout=6, Count=5, Gap=1.0), kind='silent')
    t = threading.Thread(target=lambda: setattr(lab, 'seen', lab.run(call)))
    t.start()
    time.sleep(2.5)
    drop(lab, '192.168.64.30', 2379, 'peer', 'INPUT')
    t.join()
    for o in lab.seen:
        if o['Error']:
            lab.zap('retrying of unary invoker failed', 'rpc error: code = DeadlineExceeded desc = context deadline exceeded', o['End'], '192.168.64.30:2379')
            lab.log('E', 'status.go:71', '"Unhandled Error" err="apiserver received an error that is not an metav1.Status: context.deadlineExceededError{}: context deadline exceeded" logger="UnhandledError"', o['End'] + 400_000)
            if how == 'reconnect':
                lab.log('E', 'status.go:71', '"Unhandled Error" err="apiserver received an error that is not an metav1.Status: &status.Error{s:(*status.Status)(0xc00a1b2c30)}: rpc error: code = Unavailable desc = keepalive ping failed to receive ACK within timeout" logger="UnhandledError"', o['End'] + 800_000)
    lab.run(ok)
    lab.expect('io_timeout', 'etcd_packets_dropped', None, ['192.168.64.30:2379'], edge='etcd', contains='retrying of unary invoker failed', count=3)


@scenario({}, dict(then='down'), dict(timeout=5), dict(HTTP2=True))
def established_blackholed(lab, then='drop', timeout=5, HTTP2=False, **_):
    """A kept-alive connection works; then the node goes away without a word."""
    hook, svc, hosts = hook_on(lab, timeout=timeout)
    ok = healthy(lab)
    lab.capture('cp')
    lab.run(ok)
    t = threading.Thread(target=lambda: lab.run(lab.hook_call(hook, count=4, gap=1.0, fresh=False, HTTP2=HTTP2)))
    t.start()
    time.sleep(1.5)
    if then == 'down':
        lab.ip('node1', 'link', 'set', 'eth0', 'down')
    else:
        drop(lab, lab.address(hosts[0]), 9443)
    t.join()
    if then == 'down':
        lab.ip('node1', 'link', 'set', 'eth0', 'up')
    lab.expect('io_timeout', 'established_connection_blackholed_node_down' if then == 'down' else 'established_connection_blackholed_then_syn_dropped', hook['name'], ends(lab, hosts), edge='webhook')


@scenario({}, dict(where='any'), dict(at='etcd'))
def arp_unanswered(lab, where='eth0', at='hook', **_):
    lab.ip('peer', 'link', 'set', 'eth0', 'down')
    if at == 'etcd':
        go(lab, etcd_call(lab, Timeout=10, Count=2, Fresh=True))
        lab.expect('no_route', 'arp_unanswered_next_hop_down', 'etcd', ['192.168.64.30:2379'], edge='etcd')
        return
    hook = lab.webhook('validate.hook.example.com', url='https://192.168.64.30:8443/validate')
    go(lab, lab.hook_call(hook), where=where)
    lab.expect('no_route', 'arp_unanswered_next_hop_down', hook['name'], ['192.168.64.30:8443'], edge='webhook')


@scenario({})
def arp_next_hop_of_pods(lab, **_):
    """The node of the pods is down; the SYN to the pod needs its address."""
    hook, svc, hosts = hook_on(lab)
    lab.ip('node1', 'link', 'set', 'eth0', 'down')
    ok = healthy(lab)
    lab.capture('cp')
    lab.run(lab.hook_call(hook))
    lab.ip('node1', 'link', 'set', 'eth0', 'up')
    lab.run(ok)
    lab.expect('no_route', 'arp_unanswered_next_hop_down', hook['name'], ends(lab, hosts), edge='webhook')


# ---- slow

@scenario({}, dict(timeout=30), dict(node='any'), dict(MaxVersion='1.2'))
def hello_late(lab, timeout=5, node=None, MaxVersion='', **_):
    hook, svc, hosts = hook_on(lab, timeout=timeout, hello_delay='12s' if timeout > 10 else '7s')
    go(lab, lab.hook_call(hook, count=1, MaxVersion=MaxVersion), node=node)
    time.sleep(3.5)
    lab.expect('tls_handshake_timeout', 'server_hello_after_handshake_timeout' if timeout > 10 else 'server_hello_after_deadline', hook['name'], ends(lab, hosts), edge='webhook')


@scenario({}, dict(how='kept'), dict(where='any'), dict(format='klog-json'))
def slow_answer(lab, how='fresh', where='eth0', **_):
    hook, svc, hosts = hook_on(lab, timeout=2, answer='then-slow:4s' if how == 'kept' else 'slow:4s')
    go(lab, lab.hook_call(hook, count=4 if how == 'kept' else 2, fresh=how != 'kept', gap=.3), where=where)
    time.sleep(2.5)
    lab.expect('slow_response', 'response_after_deadline', hook['name'], ends(lab, hosts), edge='webhook')


@scenario({})
def silent_server(lab, **_):
    hook, svc, hosts = hook_on(lab, timeout=5, raw='silent')
    go(lab, lab.hook_call(hook, count=2))
    lab.expect('tls_handshake_timeout', 'client_hello_acked_no_server_hello', hook['name'], ends(lab, hosts), edge='webhook')


@scenario({}, dict(where='any'))
def closed_after_hello(lab, where='eth0', **_):
    hook, svc, hosts = hook_on(lab, raw='close')
    go(lab, lab.hook_call(hook, count=2), where=where)
    lab.expect('eof', 'fin_after_client_hello', hook['name'], ends(lab, hosts), edge='webhook')


# ---- alerts

def start_conf(lab, host, program, text, *words):
    path = f'{lab.out}/{program}.conf'
    open(path, 'w').write(text)
    return lab.start(host, program, *[w.replace('CONF', path) for w in words], log=f'{lab.out}/{host}-{program}.log')


@scenario(dict(by='haproxy'), dict(by='nginx'))
def strict_sni(lab, by='haproxy', **_):
    hook, svc, hosts = hook_on(lab, up=False)
    c = lab.certs
    if by == 'haproxy':
        open(f'{c}/other.pem', 'w').write(open(f'{c}/other.crt').read() + open(f'{c}/other.key').read())
        start_conf(lab, hosts[0], 'haproxy', f'defaults\n mode http\n timeout connect 5s\n timeout client 30s\n timeout server 30s\nfrontend f\n bind :9443 ssl crt {c}/other.pem strict-sni\n http-request return status 200\n', '-db', '-f', 'CONF')
    else:
        start_conf(lab, hosts[0], 'nginx', f'daemon off; error_log stderr info; pid {lab.out}/nginx.pid; events {{}} http {{ access_log off; server {{ listen 9443 ssl default_server; ssl_reject_handshake on; }} '
                   f'server {{ listen 9443 ssl; server_name other.shop.svc; ssl_certificate {c}/other.crt; ssl_certificate_key {c}/other.key; }} }}', '-c', 'CONF')
    time.sleep(.8)
    go(lab, lab.hook_call(hook))
    lab.expect('tls_handshake_failure', 'alert_sni_refused_strict_sni' if by == 'haproxy' else 'alert_unrecognized_name_sni_refused', hook['name'], ends(lab, hosts), edge='webhook')


@scenario({}, dict(where='any'))
def no_common_cipher(lab, where='eth0', **_):
    hook, svc, hosts = hook_on(lab, cipher='TLS_RSA_WITH_AES_128_CBC_SHA')
    go(lab, lab.hook_call(hook), where=where)
    lab.expect('tls_handshake_failure', 'alert_handshake_failure_no_common_cipher', hook['name'], ends(lab, hosts), edge='webhook')


@scenario(dict(what='version', told='log'), dict(what='version', told='no'), dict(what='cipher', told='log'), dict(what='cipher', told='no'), dict(what='version', told='client'), dict(what='cipher', told='client'))
def old_client_to_6443(lab, what, told, **_):
    """An old client meets the API server: it is the server that ends the handshake."""
    log = f'{lab.out}/apiserver-own'
    words = [lab.actors, 'serve', '-listen', '192.168.64.10:6443', '-cert', f'{lab.certs}/apiserver', '-min', '1.2'] + (['-cipher', 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384'] if what == 'cipher' else [])
    lab.start('cp', *words, log=log, ready=True)
    ok = healthy(lab)
    lab.capture('cp')
    lab.run(ok)
    version = ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'] if what == 'version' else ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256']
    said = []
    for _ in range(3):
        p = subprocess.run(['ip', 'netns', 'exec', lab.ns('client'), 'openssl', 's_client', '-connect', '192.168.64.10:6443', '-brief', *version], input='', capture_output=True, text=True)
        said.append((time.time_ns(), p.stderr))
        time.sleep(.4)
    lab.run(ok)
    if told == 'log':
        server_lines(lab, log, 'old')
    if told == 'client':
        open(f'{lab.bundle}/logs/legacy-agent.log', 'w').writelines(f'{time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t // 10**9))}.{t % 10**9:09}Z {line}\n' for t, text in said for line in text.splitlines())
    lab.expect('tls_handshake_failure', 'server_alert_protocol_version_client_too_old' if what == 'version' else 'server_alert_handshake_failure_no_common_cipher', 'old' if told == 'log' else None,
               ['192.168.64.10:6443'], edge='apiserver', contains=None if told == 'log' else 'SSL routines' if told == 'client' else None, wire=told == 'no')


def server_lines(lab, log, group):
    """What the API server itself would have logged of its clients' handshakes (klog, verbosity 5)."""
    for line in open(log):
        stamp, _, text = line.strip().partition(' ')
        if 'TLS handshake error' in text:
            at = calendar.timegm(time.strptime(stamp[:19], '%Y-%m-%dT%H:%M:%S')) * 10**9 + int(stamp[20:29])
            lab.lines.append(dict(at=at, level='I', place='logs.go:63', message=text[20:], component='kube-apiserver', group=group))


@scenario(dict(v='1.2'), dict(v='1.3'), dict(v='1.3', server='openssl'), dict(v='1.2', server='openssl'))
def mtls_untrusted(lab, v, server='go', **_):
    hook, svc, hosts = hook_on(lab, up=server == 'go', client_ca=f'{lab.certs}/kube-ca.crt')
    if server == 'openssl':
        lab.start(hosts[0], 'openssl', 's_server', '-accept', '9443', '-cert', f'{lab.certs}/hook.crt', '-key', f'{lab.certs}/hook.key', '-Verify', '1', '-verify_return_error', '-CAfile', f'{lab.certs}/kube-ca.crt', '-www', log=f'{lab.out}/{hosts[0]}-9443.log')
        time.sleep(.5)
    go(lab, lab.hook_call(hook, Cert=f'{lab.certs}/client-bad', MaxVersion=v))
    lab.expect('tls_bad_certificate', 'mtls_client_cert_untrusted', hook['name'], ends(lab, hosts), edge='webhook')


@scenario(dict(v='1.2'), dict(v='1.3'), dict(v='1.2', server='openssl'), dict(v='1.3', server='openssl'))
def mtls_missing(lab, v, server='go', **_):
    hook, svc, hosts = hook_on(lab, up=server == 'go', client_ca=f'{lab.certs}/kube-ca.crt')
    if server == 'openssl':
        lab.start(hosts[0], 'openssl', 's_server', '-accept', '9443', '-cert', f'{lab.certs}/hook.crt', '-key', f'{lab.certs}/hook.key', '-Verify', '1', '-verify_return_error', '-CAfile', f'{lab.certs}/kube-ca.crt', '-www', log=f'{lab.out}/{hosts[0]}-9443.log')
        time.sleep(.5)
    go(lab, lab.hook_call(hook, MaxVersion=v))
    lab.expect('tls_bad_certificate', 'mtls_client_cert_missing', hook['name'], ends(lab, hosts), edge='webhook')


# ---- certificates

@scenario(dict(v='1.3'), dict(v='1.2'), dict(v='1.3', objects='none'), dict(v='1.3', where='any'), dict(v='1.3', node='any', where=None), dict(v='1.3', format='klog-json'), dict(v='1.3', objects='yaml'))
def stale_cabundle(lab, v, where='eth0', node=None, **_):
    hook, svc, hosts = hook_on(lab, cert='hook-old', ca='ca')
    go(lab, lab.hook_call(hook, MaxVersion=v), where=where, node=node)
    lab.expect('x509_unknown_authority', 'x509_stale_cabundle' if v == '1.2' else 'x509_stale_cabundle_tls13', hook['name'], ends(lab, hosts), edge='webhook')


@scenario({}, dict(v='1.2'))
def conversion_stale_cabundle(lab, v='1.3', **_):
    import base64
    hook, svc, hosts = hook_on(lab, cert='hook-old', ca='ca')
    lab.hooks.remove(hook)
    lab.extra_objects.append(dict(apiVersion='apiextensions.k8s.io/v1', kind='CustomResourceDefinition', metadata=dict(name='widgets.shop.example.com'), spec=dict(group='shop.example.com', names=dict(kind='Widget', plural='widgets'), scope='Namespaced',
        conversion=dict(strategy='Webhook', webhook=dict(conversionReviewVersions=['v1'], clientConfig=dict(caBundle=base64.b64encode(open(f'{lab.certs}/ca.crt', 'rb').read()).decode(), service=dict(namespace='shop', name='hook', path='/convert', port=443)))))))
    call = dict(lab.hook_call(hook, MaxVersion=v), kind='conversion', gvk='shop.example.com/v1, Kind=Widget', resource='widgets.shop.example.com', URL='https://hook.shop.svc:443/convert?timeout=30s')
    go(lab, call)
    lab.expect('x509_unknown_authority', 'conversion_webhook_stale_cabundle', hook['name'], ends(lab, hosts), edge='conversion_webhook')


@scenario({}, dict(structured=True), dict(where='any'))
def oidc_unknown_authority(lab, structured=False, where='eth0', **_):
    lab.serve('peer', 443, 'url')
    call = dict(Name='oidc', kind='oidc', Method='GET', URL='https://issuer.example.com/.well-known/openid-configuration', Dial='192.168.64.30:443', SNI='issuer.example.com', CA=f'{lab.certs}/kube-ca.crt', HTTP2=True, Count=2, Gap=1, Fresh=True, structured=structured)
    go(lab, call, where=where)
    lab.expect('x509_unknown_authority', 'oidc_issuer_unknown_authority', 'oidc', ['192.168.64.30:443'], edge='oidc')


@scenario({}, dict(told='no'))
def openssl_client_distrusts_us(lab, told='log', **_):
    log = f'{lab.out}/apiserver-own'
    lab.start('cp', lab.actors, 'serve', '-listen', '192.168.64.10:6443', '-cert', f'{lab.certs}/apiserver', log=log, ready=True)
    ok = healthy(lab)
    lab.capture('cp')
    lab.run(ok)
    for _ in range(3):
        subprocess.run(['ip', 'netns', 'exec', lab.ns('client'), 'openssl', 's_client', '-connect', '192.168.64.10:6443', '-CAfile', f'{lab.certs}/ca.crt', '-verify_return_error', '-brief'], input='', capture_output=True, text=True)
        time.sleep(.4)
    lab.run(ok)
    if told == 'log':
        server_lines(lab, log, 'old')
    lab.expect('x509_unknown_authority', 'client_distrusts_server_ca_openssl_alert', 'old' if told == 'log' else None, ['192.168.64.10:6443'], edge='apiserver', wire=told == 'no')


@scenario({}, dict(where='any'), dict(objects='none'))
def kubelet_self_signed(lab, where='eth0', **_):
    lab.serve('node1', 10250, 'self')
    call = dict(Name='kubelet', kind='kubelet', Method='GET', URL='https://node-1:10250/containerLogs/shop/web-0/web', Dial='192.168.64.20:10250', SNI='node-1', CA=f'{lab.certs}/kube-ca.crt', Cert=f'{lab.certs}/client', HTTP2=False, Count=3, Gap=.5, Fresh=True)
    go(lab, call, where=where)
    lab.expect('x509_unknown_authority', 'kubelet_serving_cert_self_signed', 'kubelet', ['192.168.64.20:10250'], edge='kubelet')


@scenario(dict(cert='early', v='1.3'), dict(cert='early', v='1.2'), dict(cert='expired', v='1.3'), dict(cert='other', v='1.3'), dict(cert='other', v='1.2'), dict(cert='cn-only', v='1.3'), dict(cert='cn-only', v='1.2'))
def bad_serving_certificate(lab, cert, v, **_):
    hook, svc, hosts = hook_on(lab, cert=cert)
    go(lab, lab.hook_call(hook, MaxVersion=v))
    verdict, slug = {'early': ('x509_expired', 'x509_not_yet_valid'), 'expired': ('x509_expired', 'x509_expired_serving_cert'), 'other': ('x509_name_mismatch', 'x509_san_mismatch'), 'cn-only': ('x509_name_mismatch', 'x509_no_san_common_name_only')}[cert]
    lab.expect(verdict, slug, hook['name'], ends(lab, hosts), edge='webhook')


@scenario(dict(v='1.3'), dict(v='1.2'))
def no_ip_san(lab, v, **_):
    lab.serve('peer', 8443, 'hook')
    hook = lab.webhook('validate.hook.example.com', url='https://192.168.64.30:8443/validate')
    go(lab, lab.hook_call(hook, MaxVersion=v))
    lab.expect('x509_name_mismatch', 'x509_no_ip_san', hook['name'], ['192.168.64.30:8443'], edge='webhook')


# ---- plain text, proxies, HTTP

@scenario({}, dict(told='log'), dict(told='client'))
def plain_http_to_6443(lab, told='no', **_):
    log = f'{lab.out}/apiserver-own'
    lab.start('cp', lab.actors, 'serve', '-listen', '192.168.64.10:6443', '-cert', f'{lab.certs}/apiserver', log=log, ready=True)
    ok = healthy(lab)
    lab.capture('cp')
    lab.run(ok)
    for _ in range(3):
        p = subprocess.run(['ip', 'netns', 'exec', lab.ns('client'), 'bash', '-c', 'exec 3<>/dev/tcp/192.168.64.10/6443; printf "GET /healthz HTTP/1.1\\r\\nHost: 192.168.64.10:6443\\r\\nUser-Agent: curl/7.88.1\\r\\n\\r\\n" >&3; timeout 2 cat <&3'], capture_output=True, text=True)
        lab.kubectl.append((time.time_ns(), 'kubectl --server http://192.168.64.10:6443 get nodes', 'Error from server (BadRequest): the server rejected our request for an unknown reason')) if told == 'client' else None
        time.sleep(.4)
    lab.run(ok)
    if told == 'log':
        server_lines(lab, log, 'old')
    lab.expect('plaintext_on_tls_port', 'plain_http_to_6443', 'old' if told == 'log' else None, ['192.168.64.10:6443'], edge='apiserver', wire=told == 'no')


@scenario({}, dict(status='500', answer='status:500'), dict(status='404', answer='status:404'), dict(status='200-html', answer='html'), dict(status='200-empty', answer='empty'), dict(status='404', answer='status:404', where='any'), dict(policy='Ignore', status='500', answer='status:500'), dict(status='500', answer='status:500', objects='none'))
def http_error(lab, status='503', answer=None, where='eth0', policy='Fail', **_):
    if status == '503':
        hook, svc, hosts = hook_on(lab, up=False)
        c = lab.certs
        open(f'{c}/hook.pem', 'w').write(open(f'{c}/hook.crt').read() + open(f'{c}/hook.key').read())
        start_conf(lab, hosts[0], 'haproxy', f'defaults\n mode http\n timeout connect 1s\n timeout client 30s\n timeout server 30s\nfrontend f\n bind :9443 ssl crt {c}/hook.pem alpn h2,http/1.1\n default_backend b\nbackend b\n server s 127.0.0.1:1 check\n', '-db', '-f', 'CONF')
        time.sleep(3)
    else:
        hook, svc, hosts = hook_on(lab, answer=answer, policy=policy)
    go(lab, lab.hook_call(hook), where=where)
    slug = {'503': 'http_503_from_proxy', '500': 'http_500_from_webhook', '404': 'http_404_wrong_path'}.get(status, 'http_200_not_admissionreview')
    lab.expect('http_error', slug, hook['name'], ends(lab, hosts), edge='webhook')


@scenario(dict(code='403 Forbidden'), dict(code='407 Proxy Authentication Required'), dict(code='503 Service Unavailable'), dict(code='502 Bad Gateway'), dict(code='403 Forbidden', target='service'))
def proxy_connect(lab, code, target='url', **_):
    lab.start('peer', lab.actors, 'serve', '-listen', '192.168.64.30:3128', '-raw', f'connect:{code}', ready=True)
    if target == 'url':
        hook = lab.webhook('validate.hook.example.com', url='https://hooks.example.com:8443/validate')
    else:
        hook, _, _ = hook_on(lab)
    go(lab, dict(lab.hook_call(hook), Proxy='http://192.168.64.30:3128'))
    n = code[:3]
    lab.expect('proxy_error', {'403': 'proxy_connect_403', '407': 'proxy_connect_407'}.get(n, 'proxy_connect_503'), hook['name'], ['192.168.64.30:3128'], edge='webhook')


@scenario(dict(raw='text:SSH-2.0-OpenSSH_9.2p1'), dict(plain=True))
def plaintext_server(lab, raw=None, plain=False, **_):
    hook, svc, hosts = hook_on(lab, **(dict(plain=True) if plain else dict(raw=raw)))
    go(lab, lab.hook_call(hook))
    lab.expect('plaintext_on_tls_port', 'plaintext_http_on_https_port' if plain else 'plaintext_text_protocol_on_tls_port', hook['name'], ends(lab, hosts), edge='webhook')


@scenario(dict(fault='refused'), dict(fault='dropped'), dict(fault='reset'))
def api_behind_nginx(lab, fault, **_):
    """A worker reaches two API servers through nginx on its loopback, as some installers set it up; one of them fails."""
    lab.start('peer', lab.actors, 'serve', '-listen', '192.168.64.30:6443', '-cert', f'{lab.certs}/apiserver', ready=True)
    if fault == 'reset':
        lab.start('cp', lab.actors, 'serve', '-listen', '192.168.64.10:6443', '-raw', 'reset', ready=True)
    if fault == 'dropped':
        drop(lab, '192.168.64.10', 6443, 'cp', 'INPUT')
    start_conf(lab, 'client', 'nginx', f'load_module modules/ngx_stream_module.so; daemon off; error_log stderr warn; pid {lab.out}/nginx.pid; events {{}} stream {{ '
               'upstream kube_apiserver { least_conn; server 192.168.64.10:6443; server 192.168.64.30:6443; } '
               'server { listen 127.0.0.1:6443; proxy_pass kube_apiserver; proxy_timeout 10m; proxy_connect_timeout 1s; } }', '-c', 'CONF')
    time.sleep(.8)
    lab.capture('client', 'any', name='worker-1')
    for _ in range(8):  # nginx leaves a server that failed alone for ten seconds
        lab.on('client', 'curl', '-sk', '-m', '5', 'https://127.0.0.1:6443/livez', check=False)
        time.sleep(3)
    static_pod(lab, 'nginx-proxy', 'client-nginx', 'worker-1')
    verdict, slug = dict(refused=('connection_refused', 'rst_from_node_nothing_listening'), dropped=('io_timeout', 'syn_dropped'),
                         reset=('connection_reset', 'rst_after_client_hello'))[fault]
    lab.expect(verdict, slug, proof=['192.168.64.10:6443'], edge='apiserver', contains='while connecting to upstream' if fault != 'reset' else 'reset by peer')


def static_pod(lab, name, log, node):
    """The log of a program on a host as its container runtime would have written it."""
    folder = f'{lab.bundle}/logs/pods/kube-system_{name}-{node}_1f2e3d4c5b6a/{name}'
    os.makedirs(folder)
    with open(f'{folder}/0.log', 'w') as out:
        out.writelines('{0} stderr F {2}\n'.format(*line.partition(' ')) for line in open(f'{lab.out}/{log}.log').read().splitlines())
