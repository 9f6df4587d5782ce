"""Rows: a request that starts a program, and one to a program that Apache keeps."""

from accept_rows import post, rotated
from baselines import Cgi
from load import Wrk, deal_event
from table import Goal

GOALS = [
    Goal("CGI request: ours", "CGI request: C, append + fdatasync", at_most=1.3),
    Goal("mod_fcgid request: ours", "mod_fcgid request: bare libfcgi", at_most=1.4),
]


def cgi(bench, stage):
    """One request after the other through Apache, 2/5 of the time each."""
    wrk = Wrk(stage.scratch.path / "deal", deal_event())
    apache = Cgi(stage.scratch)
    bench.sites.append(apache.site)
    apache.server.post(deal_event())  # makes the store
    cases = [("bxhook.cgi", "CGI request: ours", apache.events),
             ("append.cgi", "CGI request: C, append + fdatasync", apache.appended),
             ("bxhook.fcgi", "mod_fcgid request: ours", apache.events),
             ("bare.fcgi", "mod_fcgid request: bare libfcgi", None)]
    for turn in range(bench.rounds):
        bench.begin(turn, "cgi")
        for name, what, stored in rotated(cases, turn):
            load = post(bench, wrk, what, apache.at(name), 1, bench.time(0.4), turn, stored)
            bench.figures.add(turn, what, 1000 / load.rate, "ms")
