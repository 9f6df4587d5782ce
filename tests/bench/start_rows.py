"""Rows: a request that starts a program, and one to a program that Apache keeps."""

from accept_rows import post, rotated
from baselines import Cgi
from load import Wrk, deal_event
from table import Goal

GOALS = [
    Goal("CGI request: ours, static", "CGI request: C, append + fdatasync", at_most=1.3),
    Goal("CGI request: ours, dynamic", "CGI request: C, append + fdatasync", at_most=1.3),
    Goal("mod_fcgid request: ours", "mod_fcgid request: bare libfcgi", at_most=1.4),
]


def cgi(bench, stage):
    """One request after the other through Apache, 2/5 of the time each.  Static is what goes to a shared
    host, which is where CGI is found."""
    wrk = Wrk(stage.scratch.path / "deal", deal_event())
    static = bench.build / "static" / "bxhook"
    apache = Cgi(stage.scratch, {"dynamic.cgi": stage.scratch.binary, "static.cgi": static,
                                 "bxhook.fcgi": stage.scratch.binary, "append.cgi": stage.scratch.bin / "append_cgi",
                                 "bare.fcgi": stage.scratch.bin / "bare_fcgi"})
    bench.sites.append(apache.site)
    apache.server.post(deal_event())  # makes the store
    cases = [("static.cgi", "CGI request: ours, static", apache.events),
             ("dynamic.cgi", "CGI request: ours, dynamic", apache.events),
             ("append.cgi", "CGI request: C, append + fdatasync", apache.appended),
             ("bxhook.fcgi", "mod_fcgid request: ours", apache.events),
             ("bare.fcgi", "mod_fcgid request: bare libfcgi", None)]
    for turn in range(bench.rounds):
        bench.begin(turn, "cgi")
        for name, what, stored in rotated(cases, turn):
            load = post(bench, wrk, what, apache.at(name), 1, bench.time(0.4), turn, stored)
            bench.figures.add(turn, what, 1000 / load.rate, "ms")
