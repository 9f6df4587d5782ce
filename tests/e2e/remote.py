"""A web service that hooks call."""

import http.server
import json
import ssl
import threading
import urllib.parse


class Remote:
    """A web service on a free loopback port: answers what the test says, keeps what it was sent."""

    def __init__(self, certificate=None):
        remote = self
        self.requests = []  # (path, headers, form)
        self.bodies = []    # of those sent by POST, as they came
        self.answers = []   # (status, document[, headers]), the last one for ever

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                path, _, query = self.path.partition("?")
                self.take(path, dict(urllib.parse.parse_qsl(query)))

            def do_POST(self):
                remote.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                body = remote.bodies[-1].decode()
                in_json = self.headers["Content-Type"] == "application/json"
                self.take(self.path, json.loads(body) if in_json else dict(urllib.parse.parse_qsl(body)))

            def take(self, path, form):
                remote.requests.append((path, self.headers, form))
                status, document, *more = remote.answers.pop(0) if len(remote.answers) > 1 else remote.answers[0]
                answer = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                for name, value in more[0].items() if more else ():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"localhost:{self.server.server_port}"
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.scheme = "https"
        threading.Thread(target=self.server.serve_forever, args=[0.05], daemon=True).start()

    @property
    def url(self):
        return f"{self.scheme}://{self.host}/"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
