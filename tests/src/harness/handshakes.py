"""Prints a JSON line for every piece of a DTLS handshake message (RFC 6347 §4.2.2) that a device sends or receives in clear.

    handshakes.py DEVICE
"""

import json
import socket
import sys

IPV4, UDP, HANDSHAKE = 0x0800, 17, 22
UDP_HEADER, RECORD_HEADER, MESSAGE_HEADER = 8, 13, 12


def number(field):
    return int.from_bytes(field, "big")


def pieces(datagram):
    """The records of a datagram that are of a handshake and not encrypted yet."""
    while len(datagram) > RECORD_HEADER:
        end = RECORD_HEADER + number(datagram[11:13])
        record = datagram[RECORD_HEADER:end]
        if datagram[0] == HANDSHAKE and number(datagram[3:5]) == 0 and len(record) >= MESSAGE_HEADER:
            yield {
                "message": record[0],
                "length": number(record[1:4]),
                "offset": number(record[6:9]),
                "part": number(record[9:12]),
            }
        datagram = datagram[end:]


wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(IPV4))
wire.bind((sys.argv[1], IPV4))
print(json.dumps({"event": "listening"}), flush=True)
count = 0
while True:
    packet = wire.recv(65535)
    if packet[9] != UDP:
        continue
    count += 1
    for piece in pieces(packet[(packet[0] & 15) * 4 + UDP_HEADER :]):
        place = {"from": socket.inet_ntoa(packet[12:16]), "datagram": count}
        print(json.dumps({"event": "handshake", **place, **piece}), flush=True)
