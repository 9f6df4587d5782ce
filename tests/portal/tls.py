"""The certificate of the stand-in, made by the openssl program."""

import ssl
import subprocess

# What a client may ask for by name; an address is for those who were given one.
NAMES = ("localhost", "oauth.bitrix.info", "oauth.bitrix24.tech", "*.bitrix24.example")


def make(folder, names=()):
    """(path of the certificate, which is its own authority; path of its key) in FOLDER, kept when there already.

    It is for 127.0.0.1, for NAMES above and for those in `names`.
    """
    certificate, key = folder / "ca.pem", folder / "key.pem"
    if not certificate.exists():
        alternatives = ",".join(["IP:127.0.0.1", *(f"DNS:{name}" for name in (*NAMES, *names))])
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-days", "365", "-batch", "-subj", "/CN=Stand-in of Bitrix24",
                        "-addext", f"subjectAltName={alternatives}", "-keyout", str(key), "-out", str(certificate)],
                       check=True, capture_output=True, timeout=30)
        certificate.chmod(0o644)
    return certificate, key


def context(certificate, key):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate, key)
    return made
