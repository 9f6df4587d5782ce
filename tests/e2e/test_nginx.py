"""The gateway behind nginx: what nginx keeps from it, and what happens while it is away."""

import bitrix
import client
from scratch import wait_for
from servers import Nginx


def test_keeps_what_is_far_too_large_to_itself(nginx):
    assert client.post(nginx.url, b"x=" + b"y" * (3 << 20)).status == 413


def test_serves_chunked_bodies(nginx):
    assert client.post_chunked(nginx.url, bitrix.body()).event


def test_only_the_one_location_is_bxhook(nginx):
    assert client.get(nginx.url + "/more").status == 404


def test_is_there_again_after_a_restart(site):
    gateway = site.serve()
    server = Nginx(site)
    first = server.post(bitrix.body()).event
    assert gateway.stop() == 0
    assert server.post(bitrix.body()).status == 502
    site.serve()
    assert server.post(bitrix.body()).event > first


def test_two_gateways_of_one_store_serve_side_by_side(site):
    """As spawn-fcgi -F 2: both on one socket; when one ends the other goes on."""
    site.start(["spawn-fcgi", "-n", "-s", site.socket, "-M", "0660", "--", "/bin/sh", "-c",
                f"{site.binary} & exec {site.binary}"], "gateway.log", env={"BXHOOK_CONFIG": str(site.config)})
    wait_for(site.socket.exists, "the socket")
    server = Nginx(site)
    load = client.Load(server.port, 8)
    load.add([bitrix.body(id=i) for i in range(400)])
    load.finish(30)
    assert len(load.accepted()) == 400
