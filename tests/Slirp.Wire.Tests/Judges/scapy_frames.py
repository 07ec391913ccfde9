"""Prints one frame a line as JSON: {"kind": ..., "hex": ..., "fields": {...}}, made by scapy from a seeded generator.

Field values are what scapy was told, in the notation of ScapyTests; numbers are numbers, addresses text.
"""
import json
import random
import sys

from scapy.all import (
    ARP, BOOTP, DHCP, DHCP6_InfoRequest, DHCP6OptClientId, DHCP6OptElapsedTime, DHCP6OptOptReq, DNS, DNSQR, DNSRROPT, DUID_LL,
    Ether, ICMP, ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA, ICMPv6ND_RS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptMTU,
    ICMPv6NDOptPrefixInfo, ICMPv6NDOptRDNSS, ICMPv6NDOptSrcLLAddr, ICMPv6PacketTooBig, IP, IPv6, IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, PadN, Padding, Raw, TCP, UDP, conf,
)

rng = random.Random(int(sys.argv[1]))
conf.verb = 0


def number(bits):
    return rng.getrandbits(bits)


def ip4():
    return ".".join(str(rng.randrange(1, 224)) for _ in range(4))


def ip6():
    groups = [rng.randrange(0x1000, 0x10000) for _ in range(7)]
    return "fd00:" + ":".join("%x" % group for group in groups)  # no zero group, so no text form but this


def mac():
    return ":".join("%02x" % (number(8) & 0xFE if i == 0 else number(8)) for i in range(6))


def data(longest=200):
    return bytes(number(8) for _ in range(rng.randrange(longest)))


def emit(kind, packet, **fields):
    print(json.dumps({"kind": kind, "hex": bytes(packet).hex(), "fields": fields}))


def ether(payload):
    return Ether(src="52:54:00:12:34:56", dst="52:55:00:ab:cd:ef") / payload


def arp():
    f = {"op": rng.choice([1, 2, 3]), "hwsrc": mac(), "psrc": ip4(), "hwdst": mac(), "pdst": ip4()}
    emit("arp", ether(ARP(**f)) / Padding(bytes(18)), **f)


def ipv4():
    body = data()
    f = {"src": ip4(), "dst": ip4(), "proto": rng.choice([47, 132, 253]), "ttl": number(8), "tos": number(8), "id": number(16),
         "frag": number(13) * 8}
    flags = rng.choice(["", "DF", "MF"])
    ip = IP(src=f["src"], dst=f["dst"], proto=f["proto"], ttl=f["ttl"], tos=f["tos"], id=f["id"], frag=f["frag"] // 8, flags=flags)
    options = bytes([1] * 4 * rng.randrange(11))  # NOPs
    raw = bytearray(bytes(ip))
    raw[0] = 0x40 | (5 + len(options) // 4)
    ip = IP(bytes(raw) + options)
    del ip.len, ip.chksum
    emit("ipv4", ether(ip / Raw(body)) / Padding(bytes(rng.randrange(20))), df=flags == "DF", mf=flags == "MF",
         options=options.hex(), payload=body.hex(), **f)


def ipv6():
    body = data()
    f = {"src": ip6(), "dst": ip6(), "nh": rng.choice([47, 132, 253]), "hlim": number(8), "tc": number(8), "fl": number(20)}
    emit("ipv6", ether(IPv6(**f) / Raw(body)) / Padding(bytes(rng.randrange(20))), payload=body.hex(), **f)


def extensions():
    packet, offset = IPv6(src=ip6(), dst=ip6()), 0
    if rng.random() < 0.5:
        packet, offset = packet / IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(4))]), offset + 8
    for _ in range(rng.randrange(3)):
        packet, offset = packet / IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(12))]), offset + 16
    f = {"id": number(32), "fragment": number(13) * 8, "more": bool(number(1)), "fragmentAt": offset}
    packet = packet / IPv6ExtHdrFragment(offset=f["fragment"] // 8, m=int(f["more"]), id=f["id"], nh=17) / Raw(data() + b"x")
    emit("extensions", ether(packet), upper=17, upperAt=offset + 8, **f)


def over_ip():
    return IP(src=ip4(), dst=ip4()) if number(1) else IPv6(src=ip6(), dst=ip6())


def tcp():
    body, f = data(), {"sport": number(16), "dport": number(16), "seq": number(32), "ack": number(32), "flags": number(8),
                       "window": number(16), "urgptr": number(16)}
    options, told = [], {}
    if number(1):
        told["mss"] = rng.randrange(1, 65536)
        options.append(("MSS", told["mss"]))
    if number(1):
        told["scale"] = rng.randrange(15)
        options.append(("WScale", told["scale"]))
    if number(1):
        told["sackok"] = True
        options.append(("SAckOK", b""))
    if number(1):
        told["timestamps"] = [number(32), number(32)]
        options.append(("Timestamp", tuple(told["timestamps"])))
    if number(1):
        edges = [number(32) for _ in range(2 * rng.randrange(1, 3))]
        told["sack"] = edges
        options.append(("SAck", tuple(edges)))
    rng.shuffle(options)
    emit("tcp", ether(over_ip() / TCP(options=options, **f) / Raw(body)), payload=body.hex(), **f, **told)


def udp():
    body, f = data(), {"sport": number(16), "dport": number(16)}
    emit("udp", ether(over_ip() / UDP(**f) / Raw(body)) / Padding(bytes(rng.randrange(20))), payload=body.hex(), **f)


def icmp():
    body, f = data(), {"id": number(16), "seq": number(16)}
    emit("icmp", ether(IP(src=ip4(), dst=ip4()) / ICMP(type=8, **f) / Raw(body)), type=8, code=0, payload=body.hex(), **f)
    quoted, mtu = bytes(IP(src=ip4(), dst=ip4()) / UDP(sport=1, dport=2)), number(16)
    emit("icmp", ether(IP(src=ip4(), dst=ip4()) / ICMP(type=3, code=4, nexthopmtu=mtu) / Raw(quoted)), type=3, code=4, mtu=mtu,
         payload=quoted.hex())


def icmpv6():
    body, f = data(), {"id": number(16), "seq": number(16)}
    emit("icmpv6", ether(IPv6(src=ip6(), dst=ip6()) / ICMPv6EchoRequest(data=body, **f)), type=128, code=0, payload=body.hex(), **f)
    quoted, mtu = bytes(IPv6(src=ip6(), dst=ip6()) / UDP(sport=1, dport=2)), number(32)
    emit("icmpv6", ether(IPv6(src=ip6(), dst=ip6()) / ICMPv6PacketTooBig(mtu=mtu) / Raw(quoted)), type=2, code=0, mtu=mtu,
         payload=quoted.hex())


def neighbour():
    target, address = ip6(), mac()
    ip = IPv6(src=ip6(), dst=ip6(), hlim=255)
    emit("solicitation", ether(ip / ICMPv6ND_NS(tgt=target) / ICMPv6NDOptSrcLLAddr(lladdr=address)), target=target, mac=address)
    flags = {"R": number(1), "S": number(1), "O": number(1)}
    emit("advertisement", ether(ip / ICMPv6ND_NA(tgt=target, **flags) / ICMPv6NDOptDstLLAddr(lladdr=address)), target=target,
         mac=address, **flags)
    emit("routerSolicitation", ether(ip / ICMPv6ND_RS() / ICMPv6NDOptSrcLLAddr(lladdr=address)), mac=address)


def router():
    f = {"chlim": number(8), "M": number(1), "O": number(1), "routerlifetime": number(16), "reachabletime": number(32),
         "retranstimer": number(32)}
    prefix = {"prefix": ip6(), "prefixlen": rng.randrange(129), "L": number(1), "A": number(1), "validlifetime": number(32),
              "preferredlifetime": number(32)}
    mtu, resolver, address = number(32), ip6(), mac()
    ra = (ICMPv6ND_RA(prf=0, **f) / ICMPv6NDOptSrcLLAddr(lladdr=address) / ICMPv6NDOptMTU(mtu=mtu)
          / ICMPv6NDOptPrefixInfo(**prefix) / ICMPv6NDOptRDNSS(dns=[resolver], lifetime=600))
    emit("routerAdvertisement", ether(IPv6(src=ip6(), dst="ff02::1", hlim=255) / ra), mac=address, mtu=mtu, resolver=resolver, **f, **prefix)


def dhcp():
    f = {"xid": number(32), "secs": number(16), "ciaddr": ip4(), "yiaddr": ip4(), "siaddr": ip4(), "giaddr": ip4()}
    address, wanted, server, codes = mac(), ip4(), ip4(), [1, 3, 6, 15, 26]
    options = [("message-type", "request"), ("requested_addr", wanted), ("server_id", server), ("param_req_list", codes),
               ("pad"), ("max_dhcp_size", 1500), ("client_id", b"\x01" + bytes.fromhex(address.replace(":", ""))), "end"]
    packet = BOOTP(op=1, flags="B", chaddr=bytes.fromhex(address.replace(":", "")) + bytes(10), **f) / DHCP(options=options)
    emit("dhcp", ether(IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67) / packet), type=3, mac=address,
         wanted=wanted, server=server, codes=bytes(codes).hex(), size=1500, **f)


def dhcpv6():
    address, xid, codes = mac(), number(24), rng.sample([21, 22, 23, 24, 31, 32], 3)
    packet = (DHCP6_InfoRequest(trid=xid) / DHCP6OptElapsedTime() / DHCP6OptClientId(duid=DUID_LL(lladdr=address))
              / DHCP6OptOptReq(reqopts=codes))
    emit("dhcpv6", ether(IPv6(src=ip6(), dst="ff02::1:2") / UDP(sport=546, dport=547) / packet), xid=xid,
         duid="00030001" + address.replace(":", ""), dns=23 in codes, domains=24 in codes)


def dns():
    name = ".".join("".join(rng.choice("abcXYZ-09") for _ in range(rng.randrange(1, 20))) for _ in range(rng.randrange(1, 6))) + "."
    f = {"id": number(16), "rd": number(1)}
    qtype, size = rng.choice([1, 28, 15, 255]), number(16)
    opt = number(1)
    query = DNS(qd=DNSQR(qname=name, qtype=qtype), ar=DNSRROPT(rclass=size) if opt else None, **f)
    emit("dns", ether(over_ip() / UDP(sport=5000, dport=53) / query), name=name, type=qtype, size=max(size, 512) if opt else 512, **f)


for _ in range(int(sys.argv[2])):
    for make in (arp, ipv4, ipv6, extensions, tcp, udp, icmp, icmpv6, neighbour, router, dhcp, dhcpv6, dns):
        make()
