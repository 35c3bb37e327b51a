#!/usr/bin/env python3
"""One HTTP/1.1 connection over TLS 1.3 whose server asks for the client's certificate before its second answer only.

usage: late_client_cert.py CERTS KEYLOG
"""
import socket, ssl, sys, threading

certs, keylog = sys.argv[1:]


def answer(peer, status):
    peer.sendall(f'HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n'.encode())


def serve(listener):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f'{certs}/server.pem')
    context.load_verify_locations(f'{certs}/ca.pem')
    context.verify_mode = ssl.CERT_REQUIRED
    context.post_handshake_auth = True
    with context.wrap_socket(listener.accept()[0], server_side=True) as peer:
        peer.recv(4096)
        answer(peer, '200 OK')
        peer.recv(4096)
        peer.verify_client_post_handshake()
        answer(peer, '403 Forbidden')
        peer.recv(4096)
        answer(peer, '204 No Content')
        peer.unwrap()


listener = socket.create_server(('127.0.0.1', 8443))
server = threading.Thread(target=serve, args=(listener,))
server.start()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.load_verify_locations(f'{certs}/ca.pem')
context.load_cert_chain(f'{certs}/client.pem')
context.keylog_filename = keylog
context.post_handshake_auth = True
with context.wrap_socket(socket.create_connection(('127.0.0.1', 8443)), server_hostname='webhook.shop.svc') as peer:
    for target in ['/public', '/admin', '/admin/jobs']:
        peer.sendall(f'GET {target} HTTP/1.1\r\nHost: webhook.shop.svc\r\n\r\n'.encode())
        print(peer.recv(4096).split(b'\r\n')[0].decode())
    peer.unwrap()
server.join()
