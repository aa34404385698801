"""A web server that answers every GET with one text: `python pages.py PORT TEXT`, ready once it prints a line."""

from __future__ import annotations

import http.server
import signal
import socket
import sys


class Pages(http.server.ThreadingHTTPServer):
    """Listens for IPv4 and IPv6 on every address of its host."""

    address_family = socket.AF_INET6
    daemon_threads = True
    text = b""

    def server_bind(self) -> None:
        """Bind as usual, but never look the host's name up: there is no name service on a lab LAN."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)


class Answer(http.server.BaseHTTPRequestHandler):
    """The one text, whatever the path."""

    server: Pages

    def do_GET(self) -> None:
        """Answer with the server's text."""
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(self.server.text)))
        self.end_headers()
        self.wfile.write(self.server.text)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


def main(port: int, text: str) -> None:
    """Serve until killed."""
    with Pages(("::", port), Answer) as server:
        server.text = text.encode()
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends a whole lab: no traceback of each part
    main(int(sys.argv[1]), sys.argv[2])
