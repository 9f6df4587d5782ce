"""An HTTPS server for the unit tests: what it answers, and how it fails, is in the path.

    https_server.py DIR    DIR gets ca.pem; prints its port; ends when its stdin does
"""

import http.server
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

FOR_EVER = 600


def make_certificates(directory):
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True, timeout=60)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-days", "2", "-subj", "/CN=Test root", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", *key, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr")
    with open(os.path.join(directory, "names"), "w", encoding="ascii") as names:
        names.write("subjectAltName=DNS:localhost\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", "names", "-out", "server.pem")


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def reply(self, status, body, **headers):
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        _, what, *words = self.path.split("/")
        getattr(self, f"on_{what}")(body, *words)

    do_POST = do_GET

    def on_echo(self, body, *_):
        told = {"method": self.command, "path": self.path, "size": len(body), "body": body[:4096].decode("latin-1"),
                "headers": {name.lower(): value for name, value in self.headers.items()}}
        self.reply(200, json.dumps(told).encode())

    def on_status(self, _, status, *__):
        self.reply(int(status), b'{"error":"STATUS"}')

    def on_redirect(self, *_):
        self.reply(302, b"<html>moved</html>", Location="/echo/moved")

    def on_size(self, _, size, *__):
        self.reply(200, b"x" * int(size))

    def on_cut(self, *_):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"{" * 10)

    def on_reset(self, *_):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def on_nothing(self, *_):
        pass

    def on_hang(self, *_):
        time.sleep(FOR_EVER)

    def on_half(self, *_):
        self.on_cut()
        self.wfile.flush()
        time.sleep(FOR_EVER)


def main(directory):
    make_certificates(directory)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(directory, "server.pem"), os.path.join(directory, "server.key"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
