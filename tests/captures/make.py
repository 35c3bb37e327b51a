#!/usr/bin/env python3
"""Writes the captures of this directory: one for each file format, link type and encapsulation.

Each holds the same three segments of one connection (SYN, SYN-ACK, five bytes) unless its name says otherwise.
Run it without arguments; the same bytes come out every time. Needs nothing but Python.
"""

import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS, NANOS = 1795227030, 123456789

MAC_A, MAC_B = bytes.fromhex('020000000001'), bytes.fromhex('020000000002')
A4, B4 = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
OUTER_A4, OUTER_B4 = bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2])
A6, B6 = bytes.fromhex('fd00' + '0' * 26 + '01'), bytes.fromhex('fd00' + '0' * 26 + '02')
OUTER_A6, OUTER_B6 = (bytes.fromhex('20010db8' + '0' * 22 + end) for end in ('01', '02'))

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


# Transport and IP

def tcp(source, destination, seq, ack, flags, payload=b''):
    return struct.pack('>HHIIBBHHH', source, destination, seq, ack, 5 << 4, flags, 64240, 0, 0) + payload


def udp(source, destination, payload):
    return struct.pack('>HHHH', source, destination, 8 + len(payload), 0) + payload


def checksum(data):
    total = sum(struct.unpack(f'>{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ipv4(payload, protocol=6, source=A4, destination=B4, ident=7, fragment=0, total=None, options=b''):
    length = 20 + len(options) + len(payload) if total is None else total
    head = struct.pack('>BBHHHBBH', 0x45 + len(options) // 4, 0, length, ident, fragment, 64, protocol, 0)
    head += source + destination + options
    return head[:10] + struct.pack('>H', checksum(head)) + head[12:] + payload


def ipv6(payload, following=6, source=A6, destination=B6, length=None):
    length = len(payload) if length is None else length
    return struct.pack('>IHBB', 6 << 28, length, following, 64) + source + destination + payload


def segments():
    """Direction and TCP bytes of the three segments."""
    return [(0, tcp(40000, 443, 1000, 0, SYN)), (1, tcp(443, 40000, 5000, 1001, SYN | ACK)),
            (0, tcp(40000, 443, 1001, 5001, PSH | ACK, b'hello'))]


def exchange4():
    return [ipv4(t, source=(A4, B4)[d], destination=(B4, A4)[d]) for d, t in segments()]


def exchange6():
    return [ipv6(t, source=(A6, B6)[d], destination=(B6, A6)[d]) for d, t in segments()]


# Link layers and tunnels: bytes in, bytes out

def ethernet(payload, ether_type=0x0800):
    return MAC_B + MAC_A + struct.pack('>H', ether_type) + payload


def vlan(payload, ether_type=0x0800, vid=5):
    return struct.pack('>HH', vid, ether_type) + payload


def mpls(payload, labels=(16050, 24050)):
    stack = b''
    for i, label in enumerate(labels):
        stack += struct.pack('>I', label << 12 | (i == len(labels) - 1) << 8 | 64)
    return stack + payload


def outer4(payload, protocol):
    return ethernet(ipv4(payload, protocol, OUTER_A4, OUTER_B4))


def outer_udp(payload, port, source=50000):
    return outer4(udp(source, port, payload), 17)


def vxlan(payload, vni=42):
    return struct.pack('>BBHI', 8, 0, 0, vni << 8) + payload


def geneve(payload, protocol, vni=42, options=b''):
    return struct.pack('>BBHI', len(options) // 4, 0, protocol, vni << 8) + options + payload


def gre(payload, protocol, flags=0, fields=b''):
    return struct.pack('>HH', flags, protocol) + fields + payload


def nflog(payload, order):
    attribute = lambda kind, data: (struct.pack(order + 'HH', 4 + len(data), kind) + data).ljust(
        (4 + len(data) + 3) // 4 * 4, b'\0')
    return b'\x02\0\0\0' + attribute(1, b'\x08\x00\x01\x00') + attribute(10, b'in\0') + attribute(9, payload)


# Files

def pcap(name, link_type, frames, order='<', magic=0xa1b2c3d4, snaplen=262144, lengths=None):
    nanos = magic == 0xa1b23c4d
    out = struct.pack(order + 'IHHIIII', magic, 2, 4, 0, 0, snaplen, link_type)
    for i, frame in enumerate(frames):
        fraction = NANOS + i * 1000000 if nanos else NANOS // 1000 + i * 1000
        length = lengths[i] if lengths else len(frame)
        out += struct.pack(order + 'IIII', SECONDS, fraction, len(frame), length)
        if magic == 0xa1b2cd34:
            out += struct.pack(order + 'IHBB', 1, 8, 0, 0)
        out += frame
    write(name + '.pcap', out)


def write(name, data):
    with open(os.path.join(HERE, name), 'wb') as file:
        file.write(data)


def pad(data):
    return data + b'\0' * (-len(data) % 4)


class Section:
    """Blocks of one pcapng section."""

    def __init__(self, order='<'):
        self.order = order
        self.out = b''
        self.block(0x0a0d0d0a, self.pack('IHHq', 0x1a2b3c4d, 1, 0, -1)
                   + self.options((2, b'made hardware'), (4, b'make.py'), (1, b'a comment on the section')))

    def pack(self, form, *values):
        return struct.pack(self.order + form, *values)

    def block(self, kind, body):
        body = pad(body)
        length = 12 + len(body)
        self.out += self.pack('II', kind, length) + body + self.pack('I', length)
        return self

    def options(self, *options):
        out = b''.join(self.pack('HH', code, len(value)) + pad(value) for code, value in options)
        return out + self.pack('HH', 0, 0) if options else b''

    def interface(self, link_type, snaplen=0, *options):
        return self.block(1, self.pack('HHI', link_type, 0, snaplen) + self.options(*options))

    def enhanced(self, interface, ticks, frame, *options, length=None):
        head = self.pack('IIIII', interface, ticks >> 32, ticks & 0xffffffff, len(frame), length or len(frame))
        return self.block(6, head + pad(frame) + self.options(*options))

    def simple(self, frame, length=None):
        return self.block(3, self.pack('I', length or len(frame)) + frame)

    def obsolete(self, interface, drops, ticks, frame):
        head = self.pack('HHIIII', interface, drops, ticks >> 32, ticks & 0xffffffff, len(frame), len(frame))
        return self.block(2, head + frame)


def micros(i):
    return SECONDS * 10**6 + NANOS // 1000 + i * 1000


def formats():
    frames = [ethernet(p) for p in exchange4()]
    pcap('format-pcap-little', 1, frames)
    pcap('format-pcap-big', 1, frames, '>')
    pcap('format-pcap-nanoseconds', 1, frames, '<', 0xa1b23c4d)
    pcap('format-pcap-nanoseconds-big', 1, frames, '>', 0xa1b23c4d)
    pcap('format-pcap-modified', 1, frames, '<', 0xa1b2cd34)
    for order, name in (('<', 'little'), ('>', 'big')):
        s = Section(order).interface(1, 262144, (2, b'eth0'), (11, b'\0tcp port 443'))
        for i, frame in enumerate(frames):
            s.enhanced(0, micros(i), frame)
        write(f'format-pcapng-{name}.pcapng', s.out)
    s = Section().interface(1).interface(101)
    s.enhanced(0, micros(0), frames[0]).enhanced(1, micros(1), exchange4()[1])
    second = Section('>').interface(229).interface(113, 0)
    sll = struct.pack('>HHH8sH', 4, 1, 6, MAC_A + b'\0\0', 0x0800)
    second.enhanced(1, micros(2), sll + exchange4()[2])
    write('format-pcapng-sections.pcapng', s.out + second.out)
    s = Section().interface(1, 0, (9, b'\x09')).interface(1, 0, (9, b'\x94')).interface(
        1, 0, (9, b'\x03'), (14, struct.pack('<q', SECONDS)))
    s.enhanced(0, SECONDS * 10**9 + NANOS, frames[0])
    s.enhanced(1, SECONDS * 2**20 + 2**19, frames[1]).enhanced(2, 750, frames[2])
    write('format-pcapng-resolutions.pcapng', s.out)
    s = Section().interface(1, 64)
    write('format-pcapng-simple-packet.pcapng',
          s.simple(frames[0]).simple(frames[1]).simple((frames[2] + b'x' * 41)[:64], 100).out)
    s = Section().interface(1)
    for i, frame in enumerate(frames):
        s.obsolete(0, 65535 if i == 0 else i, micros(i), frame)
    write('format-pcapng-obsolete-packet.pcapng', s.out)
    extras(frames)


def extras(frames):
    """Every block that is no packet, between packets."""
    s = Section().interface(1, 0, (2, b'eth0'), (1, b'a comment on the interface'))
    s.enhanced(0, micros(0), frames[0], (1, b'a comment on a frame'), (4, s.pack('Q', 3)))
    names = s.pack('HH', 1, 4 + 12) + pad(B4 + b'web.example\0') + s.pack('HH', 2, 16 + 9)
    s.block(4, names + pad(B6 + b'six\0also\0') + s.pack('HH', 0, 0))
    key_log = b'CLIENT_RANDOM ' + b'00' * 32 + b' ' + b'11' * 48 + b'\n'
    s.block(10, s.pack('II', 0x544c534b, len(key_log)) + key_log)
    s.block(9, b'__REALTIME_TIMESTAMP=1795227030123456\nMESSAGE=hello\n\n')
    s.block(0xbad, s.pack('I', 32473) + b'custom data')
    s.block(0x7ace, b'a block that nobody knows')
    s.enhanced(0, micros(1), frames[1]).enhanced(0, micros(2), frames[2])
    s.block(5, s.pack('III', 0, micros(3) >> 32, micros(3) & 0xffffffff)
            + s.options((4, s.pack('Q', 100)), (5, s.pack('Q', 7)), (7, s.pack('Q', 2))))
    write('format-pcapng-extras.pcapng', s.out)


def links():
    four, six = exchange4(), exchange6()
    pcap('link-ethernet', 1, [ethernet(p) for p in four])
    pcap('link-802.2-snap', 1, [MAC_B + MAC_A + struct.pack('>H', 8 + len(p)) + b'\xaa\xaa\x03\0\0\0\x08\0' + p
                                for p in four])
    pcap('link-null', 0, [struct.pack('<I', 2) + p for p in four])
    pcap('link-null-big', 0, [struct.pack('>I', 30) + p for p in six], '>')
    pcap('link-loop', 108, [struct.pack('>I', 24) + p for p in six])
    pcap('link-raw', 101, [four[0], four[1], six[2]])
    pcap('link-ipv4', 228, four)
    pcap('link-ipv6', 229, six)
    pcap('link-ppp', 9, [b'\xff\x03\x00\x21' + four[0], b'\x00\x21' + four[1], b'\x21' + four[2]])
    pcap('link-ppp-hdlc', 50, [b'\x0f\x00\x08\x00' + p for p in four])
    pcap('link-nflog', 239, [nflog(p, '<') for p in four])
    pcap('link-nflog-big', 239, [nflog(p, '>') for p in four], '>')
    pcap('link-sll', 113, [struct.pack('>HHH8sH', (4, 0, 4)[i], 1, 6, MAC_A + b'\0\0', 0x0800) + p
                           for i, p in enumerate(four)])
    pcap('link-sll-vlan', 113, [struct.pack('>HHH8sH', 0, 1, 6, MAC_A + b'\0\0', 0x8100) + vlan(p) for p in four])
    pcap('link-sll2', 276, [struct.pack('>HHIHBB8s', 0x86dd, 0, 2, 1, (4, 0, 4)[i], 6, MAC_A + b'\0\0') + p
                            for i, p in enumerate(six)])
    pcap('link-ppi', 192, [struct.pack('<BBHI', 0, 0, 8, 1) + ethernet(p) for p in four])
    pcap('link-fddi', 10, [b'\x50' + MAC_B + MAC_A + b'\xaa\xaa\x03\0\0\0\x08\0' + p for p in four])
    pcap('link-ipoib', 242, [bytes(40) + b'\x08\0\0\0' + p for p in four])
    data = b'\x88\x01\0\0' + MAC_A + MAC_B + MAC_A + b'\0\0' + b'\0\0' + b'\xaa\xaa\x03\0\0\0\x08\0' + four[0]
    secret = b'\x88\x41\0\0' + MAC_A + MAC_B + MAC_A + b'\0\0' + b'\0\0' + bytes(40)
    beacon = b'\x80\0\0\0' + MAC_A * 3 + b'\0\0' + bytes(12)
    pcap('link-radiotap', 127, [b'\0\0\x08\0\0\0\0\0' + f for f in (data, secret, beacon)])
    pcap('link-unknown', 147, [b'whatever'])


def encapsulations():
    four, six = exchange4(), exchange6()
    inner4, inner6 = [ethernet(p) for p in four], [ethernet(p, 0x86dd) for p in six]
    pcap('encap-vlan', 1, [ethernet(vlan(p), 0x8100) for p in four])
    pcap('encap-qinq', 1, [ethernet(vlan(vlan(p, 0x86dd), 0x8100, 9), 0x88a8) for p in six])
    pcap('encap-pbb', 1, [ethernet(b'\0\0\0\x07' + f, 0x88e7) for f in inner6])
    pcap('encap-mpls', 1, [ethernet(mpls(p), 0x8847) for p in four])
    pcap('encap-mpls-pseudowire', 1, [ethernet(mpls(b'\0\0\0\0' + inner4[0]), 0x8847),
                                      ethernet(mpls(inner4[1]), 0x8847), ethernet(mpls(inner4[2]), 0x8847)])
    pppoe = lambda p, kind: struct.pack('>BBHHH', 0x11, 0, 1, 2 + len(p), kind) + p
    pcap('encap-pppoe', 1, [ethernet(pppoe(p, 0x57), 0x8864) for p in six])
    pcap('encap-vxlan-4789', 1, [outer_udp(vxlan(f), 4789) for f in inner4])
    pcap('encap-vxlan-8472', 1, [outer_udp(vxlan(f), 8472) for f in inner6])
    pcap('encap-vxlan-other-port', 1, [outer_udp(vxlan(f), 14789) for f in inner4])
    pcap('encap-vxlan-gpe', 1, [outer_udp(b'\x0c\0\0\x01' + struct.pack('>I', 42 << 8) + p, 4790) for p in four])
    pcap('encap-geneve', 1, [outer_udp(geneve(f, 0x6558, options=b'\x01\x02\x80\x01data'), 6081) for f in inner4])
    pcap('encap-geneve-ip', 1, [outer_udp(geneve(p, 0x86dd), 6081) for p in six])
    pcap('encap-gre', 1, [outer4(gre(p, 0x0800), 47) for p in four])
    pcap('encap-gre-key-checksum', 1, [outer4(gre(p, 0x86dd, 0xb000, bytes(12)), 47) for p in six])
    pcap('encap-gre-bridged', 1, [outer4(gre(f, 0x6558), 47) for f in inner4])
    pcap('encap-gre-ppp', 1, [outer4(gre(b'\xff\x03\x00\x21' + p, 0x880b, 0x3081, bytes(12)), 47) for p in four])
    pcap('encap-gre-in-udp', 1, [outer_udp(gre(p, 0x0800), 4754) for p in four])
    pcap('encap-erspan-1', 1, [outer4(gre(f, 0x88be), 47) for f in inner4])
    pcap('encap-erspan-2', 1, [outer4(gre(b'\x10\x05\0\x01\0\0\0\x02' + f, 0x88be, 0x1000, bytes(4)), 47)
                               for f in inner4])
    pcap('encap-erspan-3', 1, [outer4(gre(b'\x20\x05' + bytes(10) + f, 0x22eb, 0x1000, bytes(4)), 47)
                               for f in inner4])
    gtp = lambda p, flags, more: struct.pack('>BBHI', flags, 255, len(more) + len(p), 1) + more + p
    pcap('encap-gtp-u', 1, [outer_udp(gtp(four[0], 0x30, b''), 2152),
                            outer_udp(gtp(four[1], 0x32, b'\0\x01\0\0'), 2152),
                            outer_udp(gtp(four[2], 0x34, b'\0\0\0\x85\x01\x10\x09\0'), 2152)])
    pcap('encap-gue', 1, [outer_udp(b'\0\x04\0\0' + four[0], 6080), outer_udp(b'\0\x04\0\0' + four[1], 5555),
                          outer_udp(b'\x01\x04\0\0data' + four[2], 6080)])
    pcap('encap-l2tp', 1, [outer_udp(b'\x40\x02' + struct.pack('>HHH', 12 + len(p), 1, 2) + b'\xff\x03\x00\x21' + p,
                                     1701, 1701) for p in four])
    pcap('encap-teredo', 1, [outer_udp(b'\0\0' + bytes(6) + p, 3544) for p in six])
    pcap('encap-ipip', 1, [outer4(p, 4) for p in four])
    pcap('encap-6in4', 1, [outer4(p, 41) for p in six])
    pcap('encap-4in6', 1, [ethernet(ipv6(p, 4, OUTER_A6, OUTER_B6), 0x86dd) for p in four])
    pcap('encap-etherip', 1, [outer4(b'\x30\0' + f, 97) for f in inner4])
    header = struct.pack('>BBHII', 6, 4, 0, 0x100, 1) + bytes(12)
    pcap('encap-ah', 1, [ethernet(ipv4(header + t, 51, (A4, B4)[d], (B4, A4)[d])) for d, t in segments()])
    pcap('encap-esp', 1, [outer4(struct.pack('>II', 0x100, i) + bytes(32), 50) for i in range(2)])
    pcap('encap-wireguard', 1, [outer_udp(b'\x01\0\0\0' + bytes(144), 51820, 51820),
                                outer_udp(b'\x04\0\0\0' + bytes(60), 51820, 51820)])


def ip_cases():
    four = exchange4()
    # Hop by hop, routing, destination options.
    options = b'\x2b\0\x01\x04\0\0\0\0' + b'\x3c\0\0\0\0\0\0\0' + b'\x06\0\x01\x04\0\0\0\0'
    pcap('ip-extension-headers', 229, [ipv6(options + t, 0, (A6, B6)[d], (B6, A6)[d]) for d, t in segments()])
    route = b'\x83\x07\x04' + B4 + b'\0'
    pcap('ip-source-route', 228, [ipv4(segments()[0][1], destination=OUTER_B4, options=route)])
    payload = bytes(range(200))
    whole = tcp(40000, 443, 1001, 5001, PSH | ACK, payload)
    pieces = [(at, whole[at:at + 80]) for at in range(0, len(whole), 80)]
    cut4 = lambda at, data: ipv4(data, ident=99, fragment=at // 8 | (0x2000 if at + len(data) < len(whole) else 0))
    cut6 = lambda at, data: ipv6(struct.pack('>BBHI', 6, 0, at | (at + len(data) < len(whole)), 99) + data, 44)
    pcap('ip-fragments-4', 1, [ethernet(cut4(*pieces[i])) for i in (0, 2, 1)] + [ethernet(four[0])])
    pcap('ip-fragments-6', 229, [cut6(*pieces[i]) for i in (2, 0, 0, 1)])
    overlap = [(0, whole[:80]), (40, b'\xff' * 80), (80, whole[80:160]), (160, whole[160:])]
    pcap('ip-fragments-overlap', 228, [cut4(*piece) for piece in overlap])
    pcap('ip-fragments-missing', 228, [cut4(*pieces[0]), cut4(*pieces[2])])
    fragmented = udp(50000, 4789, vxlan(ethernet(four[2])))
    pcap('ip-fragments-of-vxlan', 228, [
        ipv4(fragmented[:40], 17, OUTER_A4, OUTER_B4, fragment=0x2000),
        ipv4(fragmented[40:], 17, OUTER_A4, OUTER_B4, fragment=5)])
    pcap('ip-padding', 1, [ethernet(four[0]) + bytes(6), ethernet(four[1]) + bytes(6), ethernet(four[2])])
    big = tcp(40000, 443, 1001, 5001, PSH | ACK, bytes(1000))
    pcap('ip-length-zero', 1, [ethernet(ipv4(big, total=0)), ethernet(ipv6(big, length=0), 0x86dd)])
    jumbo = b'\x06\0\xc2\x04' + struct.pack('>I', 8 + 20 + 70000)
    frame = ethernet(ipv6(jumbo + tcp(40000, 443, 1001, 5001, ACK, bytes(70000)), 0, length=0), 0x86dd)
    pcap('ip-jumbogram', 1, [frame[:100]], lengths=[len(frame)])
    frames = [ethernet(p) for p in four]
    pcap('ip-snaplen', 1, [frames[0][:40], frames[1][:50], frames[2][:56]], snaplen=60,
         lengths=[len(f) for f in frames])
    messages(four)


def messages(four):
    """ICMP errors, other ICMP, and who-has questions."""
    error = struct.pack('>BBHI', 3, 3, 0, 0) + four[0][:28]
    error6 = struct.pack('>BBHI', 1, 4, 0, 0) + exchange6()[0]
    pcap('message-icmp', 228, [ipv4(error, 1, OUTER_B4, A4), ipv4(b'\x08\0\0\0\0\x01\0\x01', 1)])
    pcap('message-icmp6', 229, [ipv6(error6, 58, OUTER_B6, A6)])
    arp = lambda operation, sender, target: struct.pack('>HHBBH', 1, 0x800, 6, 4, operation) + (
        MAC_A + sender + MAC_B + target)
    pcap('message-arp', 1, [ethernet(arp(1, A4, B4), 0x806) + bytes(18), ethernet(arp(2, B4, A4), 0x806)])
    nd = lambda kind: struct.pack('>BBHI', kind, 0, 0, 0) + B6
    pcap('message-nd', 229, [ipv6(nd(135), 58, A6, B6), ipv6(nd(136), 58, B6, A6)])
    pcap('message-lldp', 1, [ethernet(b'\x02\x07\x04', 0x88cc), ethernet(four[0])])


if __name__ == '__main__':
    formats()
    links()
    encapsulations()
    ip_cases()
