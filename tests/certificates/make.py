#!/usr/bin/env python3
"""Makes the bundle of tests/certificates.rs: one certificate of each kind, without packets. Needs `cryptography`.

usage: make.py OUT
"""
import base64, datetime, json, os, sys
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage, NameOID

out = sys.argv[1]
day = lambda *ymd: datetime.datetime(*ymd)


def make(cn, end, names=(), by=None, ca=False, organization=None, usage=None):
    key = ed25519.Ed25519PrivateKey.generate()
    subject = x509.Name([x509.NameAttribute(oid, text) for oid, text in
                         ((NameOID.ORGANIZATION_NAME, organization), (NameOID.COMMON_NAME, cn)) if text])
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(by[1].subject if by else subject)
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(day(2025, 11, 21)).not_valid_after(end)
               .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False))
    if ca:
        builder = builder.add_extension(x509.BasicConstraints(True, None), True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
    if by:
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by[0].public_key()), False)
    return key, builder.sign(by[0] if by else key, None)


pem = lambda made: made[1].public_bytes(serialization.Encoding.PEM).decode()
# No key at all: what stands between the lines is looked for in the outputs.
key_of = lambda made: '-----BEGIN PRIVATE KEY-----\n' + 'c2VjcmV0' * 6 + '\n-----END PRIVATE KEY-----\n'
b64 = lambda text: base64.b64encode(text.encode()).decode()

far = day(2035, 1, 1)
cluster = make('kubernetes', far, ca=True)
etcd_ca = make('etcd-ca', far, ca=True)
front_ca = make('front-proxy-ca', far, ca=True)
old_hook_ca, hook_ca = make('hook-ca', far, ca=True), make('hook-ca', far, ca=True)
apiserver = make('kube-apiserver', day(2026, 12, 1), ['kubernetes.default.svc'], cluster, usage=Usage.SERVER_AUTH)
kubelet = make('system:node:node-1', day(2026, 11, 20), by=cluster, organization='system:nodes', usage=Usage.CLIENT_AUTH)
admin = make('kubernetes-admin', far, by=cluster, organization='system:masters', usage=Usage.CLIENT_AUTH)
etcd = make('cp-1', far, ['cp-1'], etcd_ca, usage=Usage.SERVER_AUTH)
hook = make('hook', far, ['hook.shop.svc', 'hook.shop.svc.cluster.local'], hook_ca, usage=Usage.SERVER_AUTH)
metrics = make('metrics', far, ['*.kube-system.svc'], make('lost-ca', far, ca=True), usage=Usage.SERVER_AUTH)

os.makedirs(f'{out}/pki/etcd', exist_ok=True)
write = lambda name, text: open(f'{out}/{name}', 'w').write(text)
write('pki/apiserver.crt', pem(apiserver))
write('pki/etcd/server.pem', pem(etcd) + pem(etcd_ca))
write('pki/kubelet-client-current.pem', pem(kubelet) + key_of(kubelet))
write('admin.conf', f'''apiVersion: v1
kind: Config
clusters:
- name: prod
  cluster:
    certificate-authority-data: {b64(pem(cluster))}
    server: https://10.0.0.1:6443
users:
- name: admin
  user:
    client-certificate-data: {b64(pem(admin))}
    client-key-data: {b64(key_of(admin))}
''')
meta = lambda kind, namespace, name, **more: {'apiVersion': 'v1', 'kind': kind,
                                              'metadata': {'namespace': namespace, 'name': name}, **more}
write('objects.json', json.dumps({'apiVersion': 'v1', 'kind': 'List', 'items': [
    meta('Secret', 'shop', 'hook-tls', data={'tls.crt': b64(pem(hook)), 'tls.key': b64(key_of(hook)), 'ca.crt': b64(pem(hook_ca))}),
    meta('Secret', 'kube-system', 'metrics-tls', data={'tls.crt': b64(pem(metrics))}),
    meta('ConfigMap', 'shop', 'kube-root-ca.crt', data={'ca.crt': pem(cluster)}),
    meta('ConfigMap', 'kube-system', 'extension-apiserver-authentication',
         data={'client-ca-file': pem(cluster), 'requestheader-client-ca-file': pem(front_ca)}),
    {'apiVersion': 'admissionregistration.k8s.io/v1', 'kind': 'ValidatingWebhookConfiguration', 'metadata': {'name': 'hooks'},
     'webhooks': [{'name': 'v.shop.example.com', 'clientConfig': {
         'service': {'namespace': 'shop', 'name': 'hook', 'port': 443}, 'caBundle': b64(pem(old_hook_ca))}}]},
    {'apiVersion': 'apiextensions.k8s.io/v1', 'kind': 'CustomResourceDefinition', 'metadata': {'name': 'carts.shop.example.com'},
     'spec': {'conversion': {'webhook': {'clientConfig': {
         'service': {'namespace': 'shop', 'name': 'hook'}, 'caBundle': b64(pem(hook_ca))}}}}},
    {'apiVersion': 'apiregistration.k8s.io/v1', 'kind': 'APIService', 'metadata': {'name': 'v1beta1.metrics.k8s.io'},
     'spec': {'service': {'namespace': 'kube-system', 'name': 'metrics-server'}}},
]}, indent=1) + '\n')
write('kube-apiserver.log', 'W1121 02:25:20.685010   30368 dispatcher.go:217] Failed calling webhook, failing closed v.shop.example.com: '
      'failed calling webhook "v.shop.example.com": failed to call webhook: Post "https://hook.shop.svc:443/validate?timeout=10s": '
      'dial tcp 10.96.0.9:443: connect: connection refused\n')
