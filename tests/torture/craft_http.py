"""Hostile replies, the outer layers: HTTP framing and JSON. Each craft is drawn; it gives the bytes to send.

A craft takes the draw and the good reply's document. What it leaves good by chance is told apart by the judge: if the
set changed, the new one has to be the one that was wanted in every respect.
"""
import json

BIG = 300 * 1024  # above every ceiling of leafd


def body_of(document):
    return json.dumps(document).encode()


def head(status="200 OK", *lines):
    return f"HTTP/1.1 {status}\r\n".encode() + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def length(number):
    return f"Content-Length: {number}".encode()


def whole(body, status="200 OK", *lines):
    return head(status, length(len(body)), *lines) + body


# -- framing ------------------------------------------------------------------------------------------


def no_http(draw, _good):
    return draw.randbytes(draw.choice((1, 10, 1000, BIG)))


def odd_status_line(draw, good):
    line = draw.choice((b"HTTP/9.9 200 OK", b"HTTP/1.1 999 Odd", b"HTTP/1.1 000", b"HTTP/1.1 -200 OK", b"HTTP/1.1 20",
                        b"HTTP/1.1", b"ICY 200 OK", b"HTTP/1.1 2000 OK", b"HTTP/2 200", b"HTTP/1.1 200 " + b"O" * BIG,
                        b"\0\0\0HTTP/1.1 200 OK", b"HTTP/0.9 200 OK", b"HTTP/1.1 99999999999999999999 OK"))
    body = body_of(good)
    return line + b"\r\n" + length(len(body)) + b"\r\n\r\n" + body


def odd_length(draw, good):
    body = body_of(good)
    told = draw.choice((b"-1", b"0", b"18446744073709551616", b"9223372036854775807", b"0x10", b"", b"1e3", b"five",
                        str(len(body) - 7).encode(), str(len(body) + 70).encode(), b"1\r\nContent-Length: 100000"))
    return head("200 OK", b"Content-Length: " + told) + body


def odd_chunks(draw, good):
    body = body_of(good)
    chunks = draw.choice((b"zz\r\n" + body, b"-5\r\n" + body, b"fffffffffffffffff\r\n" + body, b"7fffffffffffffff\r\n" + body,
                          b"%x\r\n" % len(body) + body, b"%x\r\n" % (len(body) + 9) + body + b"\r\n0\r\n\r\n",
                          b"%x;%s\r\n" % (len(body), b"e" * BIG) + body + b"\r\n0\r\n\r\n",
                          b"".join(b"1\r\n \r\n" for _ in range(BIG)) + b"0\r\n\r\n",
                          b"%x\r\n%s\r\n0\r\n" % (len(body), body) + b"X: y\r\n" * 20000 + b"\r\n"))
    lines = [b"Transfer-Encoding: chunked"] + ([length(5)] if draw.random() < 0.3 else [])
    return head("200 OK", *lines) + chunks


def odd_headers(draw, good):
    line = draw.choice((b"A: b\r\n" * 20000, b"A: " + b"b" * BIG, b"no colon", b": no name", b"A: b\0c", b" folded: yes",
                        b"\xff\xfe: \xff", b"Content-Encoding: gzip", b"Transfer-Encoding: gzip, chunked",
                        b"Connection: close, keep-alive\r\nConnection: upgrade", b"Set-Cookie: " + b"c=d;" * 9000,
                        b"Strict-Transport-Security: max-age=1e99", b"Alt-Svc: h3=\":1\"", b"Upgrade: h2c"))
    return whole(body_of(good), "200 OK", line.rstrip(b"\r\n"))


def unended_head(draw, _good):
    return b"HTTP/1.1 200 OK\r\n" + draw.choice((b"", b"A: b", b"A: b\r\n" * draw.randrange(1, 500)))


def interim(draw, good):
    first = draw.choice((b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n",
                         b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", b"HTTP/1.1 199 Odd\r\n\r\n"))
    return first * draw.choice((1, 1000)) + (whole(body_of({"errors": ["no"]}), "500 Odd") if draw.random() < 0.5
                                            else whole(body_of(good)[:-9]))


def redirect(draw, _good):
    to = draw.choice((b"http://127.0.0.1:1/", b"file:///etc/passwd", b"/v1/pki/sign/leafd", b"https://127.0.0.1:1/v1/x",
                      b"https://" + b"a" * BIG, b"//", b"https://[::1", b"gopher://127.0.0.1/", b"https://user:pw@127.0.0.1:1/",
                      b"https://127.0.0.1:99999/", b"\0", b"", b"https:/\\127.0.0.1"))
    return whole(b"", draw.choice(("301 Moved", "302 Found", "303 Other", "307 Temporary", "308 Permanent")),
                 b"Location: " + to)


def odd_status(draw, good):
    return whole(draw.choice((body_of(good), b"", b"null", body_of({"errors": ["x" * 5000, 7, None]}),
                              body_of({"errors": "\u001b[31m\r\nforged"}))),
                 f"{draw.choice((300, 304, 400, 403, 404, 412, 429, 473, 500, 501, 503, 599, 600, 999))} Odd",
                 b"Retry-After: " + draw.choice((b"0", b"-1", b"99999999999999999999", b"Wed, 21 Oct 1815 07:28:00 GMT",
                                                 b"soon", b"4294967296", b"")))


def huge_body(draw, good):
    filler = draw.choice((b"\0", b" ", b"[", b"{\"a\":", b"9")) * (BIG * draw.choice((1, 8)))
    return whole(filler + body_of(good))


def cut_reply(draw, good):
    reply = whole(body_of(good))
    return reply[:draw.randrange(len(reply))]


# -- JSON ---------------------------------------------------------------------------------------------


def broken_text(draw, good):
    body = bytearray(body_of(good))
    for _ in range(draw.choice((1, 1, 3, 30))):
        at = draw.randrange(len(body) + 1)
        kind = draw.randrange(3)
        if kind == 0:
            body[at:at + 1] = bytes((b ^ 1 << draw.randrange(8)) for b in body[at:at + 1])
        elif kind == 1:
            del body[at:at + draw.randrange(1, 40)]
        else:
            body[at:at] = draw.randbytes(draw.randrange(1, 8))
    return whole(bytes(body))


def odd_document(draw, good):
    body = body_of(good)
    return whole(draw.choice((
        b"", b" ", b"null", b"true", b"7", b"\"text\"", b"[]", b"{}", b"[" + body + b"]", b"\xef\xbb\xbf" + body,
        body + body, body + b"\0", b"[" * 100000, b"{\"a\":" * 5000 + b"1" + b"}" * 5000, body[:-1], body[:-1] + b",}",
        body[:-1] + b",\"data\":{\"certificate\":\"x\"}}", body.replace(b"\"data\"", b"\"data\\u0000\""),
        body[:-1] + b",\"wrap_info\":{\"token\":\"t\"}}", body[:-1] + b",\"x\":1e999}", body[:-1] + b",\"x\":\"\\ud800\"}",
        body[:-1] + b",\"x\":\"\xff\xfe\"}", b"{\"data\":" + b"9" * 100000 + b"}", b"<html>" + body + b"</html>",
        b"{" + b",".join(b"\"k%d\":%d" % (i, i) for i in range(15000)) + b"}", body.decode().encode("utf-16"))))


ODD_VALUES = (None, True, False, 0, -1, 2**63 - 1, 1.5, "", " ", "x", "\u0000", "-----BEGIN CERTIFICATE-----", [], {}, [[]],
              [None], {"a": {}}, "A" * 100000, "\n" * 1000, ["x"] * 2000)


def places(document, found=None):
    """Every (container, key) in the document."""
    found = [] if found is None else found
    keys = document if isinstance(document, dict) else range(len(document))
    for key in keys:
        found.append((document, key))
        if isinstance(document[key], (dict, list)):
            places(document[key], found)
    return found


WANTED = ("data", "certificate", "auth", "client_token", "lease_duration", "renewable", "ca_chain", "issuing_ca")


def odd_field(draw, good):
    """One field that leafd looks at is of another type, or missing, or holds rubbish."""
    copy = json.loads(json.dumps(good))
    at = [place for place in places(copy) if place[1] in WANTED or isinstance(place[1], int)]
    container, key = draw.choice(at)
    if draw.random() < 0.2:
        del container[key]
    else:
        container[key] = draw.choice(ODD_VALUES)
    return whole(body_of(copy))


FRAMING = (no_http, odd_status_line, odd_length, odd_chunks, odd_headers, unended_head, interim, redirect, odd_status,
           huge_body, cut_reply)
JSON = (broken_text, odd_document, odd_field)
