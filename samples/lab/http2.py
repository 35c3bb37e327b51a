#!/usr/bin/env python3
"""One HTTP/2 connection over TLS 1.3: a request that is answered, one that is refused, then GOAWAY.

usage: http2.py CERTS KEYLOG
"""
import socket, ssl, struct, sys, threading

certs, keylog = sys.argv[1:]


def frame(kind, flags, stream, payload=b''):
    return struct.pack('>I', len(payload))[1:] + bytes([kind, flags]) + struct.pack('>I', stream) + payload


def serve(listener):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f'{certs}/server.pem')
    context.set_alpn_protocols(['h2'])
    with context.wrap_socket(listener.accept()[0], server_side=True) as peer:
        peer.recv(4096)
        peer.sendall(frame(4, 0, 0) + frame(1, 0x5, 1, b'\x48\x03' + b'503'))
        peer.recv(4096)
        peer.sendall(frame(3, 0, 3, struct.pack('>I', 7)))
        peer.sendall(frame(7, 0, 0, struct.pack('>II', 1, 11) + b'too_many_pings'))
        try:
            peer.unwrap()
        except ssl.SSLError:
            pass  # the client closes without a word


listener = socket.create_server(('127.0.0.1', 8443))
server = threading.Thread(target=serve, args=(listener,))
server.start()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.load_verify_locations(f'{certs}/ca.pem')
context.keylog_filename = keylog
context.set_alpn_protocols(['h2', 'http/1.1'])
with context.wrap_socket(socket.create_connection(('127.0.0.1', 8443)), server_hostname='webhook.shop.svc') as peer:
    request = b'\x83\x87\x84'  # POST, https, /
    peer.sendall(b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' + frame(4, 0, 0) + frame(1, 0x5, 1, request))
    peer.recv(4096)
    peer.sendall(frame(1, 0x5, 3, request))
    while peer.recv(4096):
        pass
server.join()
