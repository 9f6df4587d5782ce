"""Bodies written by hand: every rule by which PHP fills $_POST, and what lies beside it.

urlencoded() and multipart() give (rule, body), always in the same order.
"""

import itertools

NAMES = [b"a", b"a.b", b"a b", b"a+b", b" a", b"++a", b"%20a", b"\ta", b"a\t", b"a\r\n", b"a]", b"]a", b"a-b", b"a'", b'"a"',
         b".", b"..", b"_", b"a%00b", b"%00a", b"a\0b", b"\xd0\x90", b"%D0%90", b"%ff", b"\xff.x", b"0", b"-1", b"08", b"",
         b"this", b"GLOBALS", b"_POST", b"__proto__", b"a%2Eb", b"a%5Fb", b"a%20b", b"A", b"a;b", b"a&amp;b", b"a%26b", b"a%3Db"]
KEYS = [b"", b"b", b" ", b"\t", b"\n", b"\v", b"\f", b"\r", b"  ", b" b", b"b ", b"b.c", b"b c", b"+", b"%20", b"%09", b"[", b"[b",
        b"b[", b"[[", b"%5B", b"\0", b"b%00c", b"%00", b"\xff", b"%ff", b"\xd0\x90", b"0", b"1", b"-1", b"-0", b"08", b"+1",
        b"1.5", b"1e3", b"'b'", b'"b"', b"b=c", b"b&c", b"%26", b"%3D", b"__Host-b", b"__Secure-b", b"__host-b", b"_Host-b"]
TAILS = [b"", b"c", b" ", b"]", b"[", b"]]", b"[[", b"][", b"[c", b"[c]", b"c[d]", b" [c]", b"[][", b"[]c", b"[c][d", b".", b"%00", b"%00[c]",
         b"[c]%00[d]", b"]c[d]", b"[ ", b"[ ]", b"[c.d", b"[c d[e"]
INTEGERS = [b"0", b"-0", b"1", b"-1", b"7", b"07", b"-07", b"00", b"+1", b"10", b"1.0", b"1e3", b"0x1", b"%31", b" 1", b"1 ", b"-5", b"--1", b"-",
            b"2147483647", b"2147483648", b"-2147483648", b"4294967295", b"4294967296", b"999999999999999999",
            b"9223372036854775806", b"9223372036854775807", b"9223372036854775808", b"-9223372036854775807",
            b"-9223372036854775808", b"-9223372036854775809", b"18446744073709551615", b"18446744073709551616",
            b"99999999999999999999", b"-99999999999999999999", b"09223372036854775807"]
PREFIXES = [b"__Host-", b"__Secure-", b"__host-", b"__HOST-", b"_Host-", b"__Host", b"___Host-", b"..Host-", b"_.Host-", b". Host-",
            b"_[Host-", b"[_Host-", b"__Host_", b"..Secure-", b"_ Secure-", b"_[Secure-", b" __Host-", b"%5F_Host-",
            b"__Secure", b"+__Secure-", b"__Hos%74-"]


def splitting():
    pieces = [b"a", b"=", b"&", b"b=1", b";", b"==", b"a=", b"&&"]
    for length in (0, 1, 2, 3):
        for chosen in itertools.product(pieces, repeat=length):
            yield b"".join(chosen)
    yield from (b"a=1\r\n", b"a=1&\nb=2", b"a=1\0&b=2", b"a=b=c&d&e=", b"a%26b=1%3Dc&d%3De=2", b"a[b=c]=1", b"a=1;b=2",
                b"a=1&amp;b=2", b"?a=1", b"a=1#b", b"&&a=1&", b" ", b"\0", b"=", b"&", b"a=1&&&&b=2", b'{"a": 1}')


def decoding():
    for byte in range(256):
        yield b"a=%%%02x&b%%%02Xc=1" % (byte, byte)
        yield b"a=x" + bytes([byte]) + b"y&b" + bytes([byte]) + b"c=1"
    bad = [b"%", b"%%", b"%4", b"%zz", b"%4z", b"%z4", b"%%41", b"%4%41", b"%2541", b"%u0041", b"% 41", b"%+1", b"%-1", b"%0x41",
           b"%\0", b"%\xff\xff", b"%4&", b"%=", b"%4=1", b"+%2B+", b"%2b", b"%aF", b"%Fa", b"%g0", b"%0g", b"%:0", b"%@0", b"%`0", b"%/0"]
    for text in bad:
        yield b"a=" + text
        yield b"a=" + text + b"&b=1"
        yield text + b"=1"
        yield b"a[" + text + b"]=1"
        yield b"a=41" + text + b"41"


def names():
    for name in NAMES:
        yield name
        yield name + b"=1"
        yield name + b"[b]=1&" + name + b"[]=2"
        yield b"a=0&" + name + b"=1&a_b=2"
    for name, tail in itertools.product(NAMES[:14], TAILS):
        yield name + tail + b"=1&z=2"


def brackets():
    for key in KEYS:
        yield b"a[" + key + b"]=1"
        yield b"a[" + key + b"=1"
        yield b"a[b][" + key + b"=1"
        yield b"a[" + key + b"][" + key + b"]=1&a[" + key + b"]=2"
    for key, tail in itertools.product(KEYS, TAILS):
        yield b"a[" + key + b"]" + tail + b"=1"
    for tail in TAILS:
        yield b"a" + tail + b"=1"
        yield b"a%5Bb%5d" + tail.replace(b"[", b"%5B") + b"=1"


def integers():
    for number in INTEGERS:
        yield number + b"=1"
        yield b"a[" + number + b"]=x&a[]=y&a[]=z"
        yield b"a[" + number + b"][b]=x&a[][c]=y"
        yield b"a[]=w&a[" + number + b"]=x&a[]=y"
        yield b"a[k][" + number + b"]=x&a[k][]=y&a[k][" + number + b"]=z"
    for one, other in itertools.product(INTEGERS[:20] + INTEGERS[25:31], repeat=2):
        yield b"a[" + one + b"]=x&a[" + other + b"]=y&a[]=z"


def overwriting():
    forms = [b"a=%d", b"a[]=%d", b"a[b]=%d", b"a[b][c]=%d", b"a[0]=%d", b"a[][b]=%d", b"a[]=%d&b=9", b"a[b][]=%d", b"a.=%d", b"a_=%d"]
    for length in (1, 2, 3):
        for chosen in itertools.product(forms, repeat=length):
            yield b"&".join(form % number for number, form in enumerate(chosen))
    yield from (b"a.b=1&c=2&a_b=3&a b=4&a[b=5", b"c=1&a[z]=1&b=2&a[y]=3", b"a[2]=x&a[0]=y&1=z&0=w", b"a=1&A=&b=true&c[]=",
                b"a[][x]=1&a[][y]=2", b"a[][]=1&a[][]=2", b"a[x]=1&a[y]=2&a[x]=3", b"b=1&a=2&b[c]=3&a=4")


def guard():
    for prefix in PREFIXES:
        for text in (b"%sa", b"%s", b"a[%sx]", b"a[c][%sx][d]", b"%sa[b]", b"%sa[__Host-b]", b"%sa[__Secure-b]", b"a[b][%sx]", b"a[%s"):
            yield text % prefix + b"=1&z=2"
            yield b"a=5&a[b]=6&" + text % prefix + b"=1"


def limits():
    for count in (999, 1000, 1001, 1002, 1500):
        yield b"&".join(b"k%d=" % number for number in range(count))
        yield b"&".join(b"k%d=" % number for number in range(count)) + b"&"
        yield b"&".join([b"a[]=1"] * count)
        yield b"&" * count
        yield b"&" * (count - 3) + b"a=1&b=2&c=3"
        yield b"a=1&" + b"&" * count
        yield b"&".join(b"a[%d]=1" % number for number in range(count, 0, -1))
        yield b"&".join(b"a[k%d][]=%d" % (number % 37, number) for number in range(count))
    for levels in (62, 63, 64, 65, 66, 200):
        for last in (b"", b"[", b"[c", b"c", b"[]", b"]", b"[[c]"):
            yield b"a" + b"[b]" * levels + last + b"=1&y=2"
        yield b"a" + b"[]" * levels + b"=1"
        yield b"a[k]=0&a" + b"[b]" * levels + b"=1&y=2"
        yield b"a" + b"%5Bb%5D" * levels + b"=1&a=2"
        yield b"=1&" + b"[b]" * levels + b"=1"
        yield b"a" + b"[" * levels + b"=1&b" + b"]" * levels + b"=2"
    for size in (1000, 65535, 65536, 300000):
        yield b"a=" + b"x" * size
        yield b"n" * size + b"=1"
        yield b"a[" + b"k" * size + b"]=1"
        yield b"a=" + b"%41" * (size // 3)


def urlencoded():
    for rule in (splitting, decoding, names, brackets, integers, overwriting, guard, limits):
        for body in dict.fromkeys(rule()):
            yield rule.__name__, body


# -- multipart/form-data, with the boundary XX

def part(name, value, header=b'Content-Disposition: form-data; name="%s"', more=b""):
    return b"--XX\r\n" + (header % name if b"%s" in header else header) + b"\r\n" + more + b"\r\n" + value + b"\r\n"


def plain_names():
    for name in NAMES + [b"a" + tail for tail in TAILS] + [b"a[" + key + b"]" for key in KEYS] + [
            b"a[" + number + b"]" for number in INTEGERS] + [prefix + b"a" for prefix in PREFIXES]:
        yield part(name, b"1") + part(b"a[]", b"2") + part(b"z", b"3") + b"--XX--\r\n"


def values():
    for value in [b"", b"1", b"%41+", b"a&b=c", b"\0", b"\xff\xd0\x90", b"\r\n", b"\r", b"\n", b"x\r\n", b"\r\n\r\n", b"--X", b"-- XX",
                  b"\r\n--X\r\n", b"\r\r\n --XX", b"--YY--", b"x" * 5000, b"x" * 70000, b'{"a": 1}', b"\r\n-", b"\r\n--"]:
        yield part(b"a", value) + part(b"b", value) + b"--XX--\r\n"
        yield part(b"a", value) + b"--XX--"


def headers():
    for header in [b"content-disposition: form-data; name=\"%s\"", b"CONTENT-DISPOSITION:form-data;name=\"%s\"",
                   b'Content-Disposition: form-data; NAME="%s"', b'Content-Disposition: attachment; name="%s"',
                   b'Content-Disposition: name="%s"', b'Content-Disposition: form-data; x="y"; name="%s"',
                   b'Content-Disposition: form-data; name="%s"; x="y"', b'Content-Disposition: form-data; name="b"; name="%s"',
                   b'Content-Disposition: form-data;; ; name="%s"', b'Content-Disposition: form-data; name=%s',
                   b"Content-Disposition: form-data; name='%s'", b'Content-Disposition: form-data; name="a;%s"',
                   b"Content-Type: text/plain\r\nContent-Disposition: form-data; name=\"%s\"",
                   b'X-Name: name="y"\r\nContent-Disposition: form-data; name="%s"',
                   b'Content-Disposition:    form-data; \t name="%s"', b'Content-Disposition: form-data; name="%s";']:
        for name in (b"a", b"a[b]", b"a[]"):
            yield part(name, b"1", header) + part(b"z", b"2") + b"--XX--\r\n"
    for more in [b"Content-Type: text/plain; charset=windows-1251\r\n", b"Content-Transfer-Encoding: base64\r\n",
                 b"Content-Length: 1\r\n", b"X:\r\n", b"X: " + b"y" * 5000 + b"\r\n"]:
        yield part(b"a", b"1", more=more) + part(b"z", b"2") + b"--XX--\r\n"


def many_parts():
    for count in (999, 1000, 1001, 1100):
        yield b"".join(part(b"k%d" % number, b"1") for number in range(count)) + b"--XX--\r\n"
    for levels in (63, 64, 65):
        yield part(b"a" + b"[b]" * levels, b"1") + b"--XX--\r\n"


def multipart():
    for rule in (plain_names, values, headers, many_parts):
        for body in dict.fromkeys(rule()):
            yield rule.__name__, body
