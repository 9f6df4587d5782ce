"""A mail server on a free loopback port: keeps what it takes, refuses where the test says so."""

import base64
import socketserver
import threading


class MailServer:
    def __init__(self):
        self.messages = []  # (from, [to], bytes)
        self.logins = []    # "user:password"
        self.refusals = {}  # {"RCPT": "550 no such user"}: answers other than yes, by command
        mail = self

        class Session(socketserver.StreamRequestHandler):
            def handle(self):
                mail.serve(self.rfile, self.say)

            def say(self, line):
                self.wfile.write(line.encode() + b"\r\n")

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session)
        self.server.daemon_threads = True
        self.url = f"smtp://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=[0.05], daemon=True).start()

    def serve(self, lines, say):
        sender, recipients = None, []
        say("220 test")
        for line in lines:
            command = line[:4].decode().upper()
            if command in self.refusals:
                say(self.refusals[command])
            elif command == "EHLO":
                say("250-test")
                say("250 AUTH PLAIN")
            elif command == "AUTH":
                say("334 ")
                self.logins.append(base64.b64decode(lines.readline()).decode().lstrip("\0").replace("\0", ":"))
                say("235 welcome")
            elif command == "DATA":
                say("354 go on")
                text = b"".join(iter(lines.readline, b".\r\n"))
                self.messages.append((sender, recipients, text))
                say("250 taken")
            elif command == "QUIT":
                say("221 bye")
                return
            else:
                address = line[line.find(b"<") + 1:line.find(b">")].decode()
                if command == "MAIL":
                    sender, recipients = address, []
                elif command == "RCPT":
                    recipients.append(address)
                say("250 ok")

    def close(self):
        self.server.shutdown()
        self.server.server_close()
