"""A web server that answers every request with one text: `python pages.py PORT TEXT`, ready once it prints a line.

It starts on every node of every LAN, and Python's own web server takes twice as long for that.
"""

from __future__ import annotations

import signal
import socket
import socketserver
import sys

_MOST_OF_A_LINE = 65536


class Pages(socketserver.ThreadingTCPServer):
    """Listens for IPv4 and IPv6 on every address of its host."""

    address_family = socket.AF_INET6
    daemon_threads = True
    text = b""

    def server_bind(self) -> None:
        """Bind as usual, but for both families."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)


class Answer(socketserver.StreamRequestHandler):
    """The one text, whatever is asked for, and the end of the connection: HTTP/1.0 (RFC 1945)."""

    server: Pages

    def handle(self) -> None:
        """Read a request without a body up to its empty line, and answer."""
        while self.rfile.readline(_MOST_OF_A_LINE).strip():
            pass
        length = len(self.server.text)
        head = f"HTTP/1.0 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\r\n"
        self.wfile.write(head.encode("ascii") + self.server.text)


def main(port: int, text: str) -> None:
    """Serve until killed."""
    with Pages(("::", port), Answer) as server:
        server.text = text.encode()
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends a whole lab: no traceback of each part
    main(int(sys.argv[1]), sys.argv[2])
