# SPDX-License-Identifier: MIT
"""What RFC 9110 and RFC 9112 ask of a server.

    http-hello.py rules PORT              all but what takes time
    http-hello.py late PORT TIMEOUT_MS    of a server with that timeout
    http-hello.py interrupt PORT PID      it is to end then

Each case quotes the sentence that it tests.  A case is a list of requests as
bytes, sent at once, and the status of each answer; a last "closed" says that
the server closes without being asked to, else it must still answer.
"""

import concurrent.futures
import os
import random
import re
import select
import signal
import socket
import sys
import time

PATIENCE = 60
HOST = b"Host: a\r\n"
PLAIN = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
TEXT = b"Hello, world\n"


class Peer:
    """A connection, and what was received on it and not looked at yet."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        data = self.socket.recv(65536)
        self.input += data
        return bool(data)

    def answer(self, bare=False):
        """The next answer as (status, fields, content), taken apart strictly;
        None at the end of input."""
        while b"\r\n\r\n" not in self.input:
            if not self.more():
                assert not self.input, f"half an answer: {self.input!r}"
                return None
        head, _, self.input = self.input.partition(b"\r\n\r\n")
        line, *lines = head.split(b"\r\n")
        match = re.fullmatch(rb"HTTP/1\.1 (\d\d\d) [A-Z][A-Za-z ]+", line)
        assert match, f"status line {line!r}"
        fields = {}
        for field in lines:
            name, value = re.fullmatch(rb"([A-Za-z-]+): (\S.*\S|\S)", field).groups()
            assert name not in fields, f"{name!r} comes twice"
            fields[name] = value
        # RFC 9110 6.6.1: "An origin server with a clock [...] MUST generate a
        # Date header field in all 2xx (Successful), 3xx (Redirection), and
        # 4xx (Client Error) responses"
        day = rb"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"
        assert re.fullmatch(day, fields[b"Date"]), fields
        assert fields[b"Content-Type"] == b"text/plain"
        length = 0 if bare else int(fields[b"Content-Length"])
        while len(self.input) < length:
            assert self.more(), "half a content"
        content, self.input = self.input[:length], self.input[length:]
        status = int(match[1])
        if status == 200:
            assert fields[b"Content-Length"] == b"%d" % len(TEXT)
            assert bare or content == TEXT
        return status, fields, content

    def closed(self):
        while self.more():
            pass
        return not self.input


def get(fields=b"", version=b"1.1", method=b"GET", target=b"/", host=HOST):
    line = method + b" " + target + b" HTTP/" + version + b"\r\n"
    return line + host + fields + b"\r\n"


CASES = [
    # --- keep-alive, pipelining -------------------------------------------
    ('9112 9.3: "If the received protocol is HTTP/1.1 (or later), the '
     'connection will persist after the current response"',
     [PLAIN], [200]),
    ('9112 9.3.2: a server "MUST send the corresponding responses in the same '
     'order that the requests were received"',
     [PLAIN, get(method=b"HEAD"), PLAIN, get(method=b"PUT")],
     [200, 200, 200, 501, "closed"]),
    ('9112 9.6: "The server MUST NOT process any further requests received on '
     'that connection" (after "close")',
     [get(b"Connection: close\r\n"), PLAIN], [200, "closed"]),
    ('9110 7.6.1: "Connection options are case-insensitive"',
     [get(b"Connection: foo, Close ,bar\r\n"), PLAIN], [200, "closed"]),
    ("other options than close do not close",
     [get(b"Connection: closed, keep-alive\r\n"), PLAIN], [200, 200]),
    ('9112 9.3: HTTP/1.0 without keep-alive: "The connection will close after '
     'the current response"',
     [get(version=b"1.0", host=b""), PLAIN], [200, "closed"]),
    ('9110 2.5: a higher minor version than ours is processed "as if it were '
     'in the highest minor version within that major version"',
     [get(version=b"1.2"), PLAIN], [200, 200]),
    ('9112 2.2: "SHOULD ignore at least one empty line (CRLF) received prior '
     'to the request-line"',
     [b"\r\n" + PLAIN, b"\r\n\r\n" + PLAIN], [200, 200]),

    # --- the request line -------------------------------------------------
    ('9110 9.3.2: "The HEAD method is identical to GET except that the server '
     'MUST NOT send content in the response."',
     [get(method=b"HEAD"), PLAIN], [200, 200]),
    ('9110 9.1: "All general-purpose servers MUST support the methods GET and '
     'HEAD." An "unrecognized or not implemented" one is 501',
     [get(method=b"POST")], [501, "closed"]),
    ('9112 3.1: "The request method is case-sensitive."',
     [get(method=b"get")], [501, "closed"]),
    ('9112 3: "A server that receives a method longer than any that it '
     'implements SHOULD respond with a 501"',
     [get(method=b"GETGET" * 100)], [501, "closed"]),
    ("CONNECT and OPTIONS have targets of their own",
     [get(method=b"CONNECT", target=b"a:80")], [501, "closed"]),
    ("", [get(method=b"OPTIONS", target=b"*")], [501, "closed"]),
    ('9112 3.2.2: "A server MUST accept the absolute-form in requests"',
     [get(target=b"http://a/b?c"), get(target=b"HTTP://a/")], [200, 200]),
    ('9112 3.2: "Recipients of an invalid request-line SHOULD respond with '
     'either a 400"',
     [get(target=b"a")], [400, "closed"]),
    ('9112 3.2: "No whitespace is allowed in the request-target."',
     [get(target=b"/a b")], [400, "closed"]),
    ("", [get(target=b"/a\tb")], [400, "closed"]),
    ("", [get(target=b"/\xff")], [400, "closed"]),
    ("", [get(target=b"")], [400, "closed"]),
    ("", [b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n"], [400, "closed"]),
    ("", [b"GET /  HTTP/1.1\r\n" + HOST + b"\r\n"], [400, "closed"]),
    ("", [b" GET / HTTP/1.1\r\n" + HOST + b"\r\n"], [400, "closed"]),
    ("", [b"GET / HTTP/1.1 \r\n" + HOST + b"\r\n"], [400, "closed"]),
    ("", [b"GET /\r\n" + HOST + b"\r\n"], [400, "closed"]),
    ("", [b"G(T / HTTP/1.1\r\n" + HOST + b"\r\n"], [400, "closed"]),
    ("", [b"\x16\x03\x01\x02\x00\x01\x00\r\n"], [400, "closed"]),
    ('9110 15.6.6: "does not support, or refuses to support, the major '
     'version"',
     [get(version=b"2.0")], [505, "closed"]),
    ("", [get(version=b"0.9")], [505, "closed"]),
    ('9112 2.3: "HTTP-version is case-sensitive", and has a digit on each side',
     [b"GET / http/1.1\r\n" + HOST + b"\r\n"], [400, "closed"]),
    ("", [get(version=b"1")], [400, "closed"]),
    ("", [get(version=b"11")], [400, "closed"]),
    ("", [get(version=b"1.10")], [400, "closed"]),
    ("", [get(version=b"10.1")], [400, "closed"]),
    ("", [get(version=b"1.x")], [400, "closed"]),
    ('9112 3: "RECOMMENDED that all HTTP senders and recipients support, at a '
     'minimum, request-line lengths of 8000 octets"',
     [get(target=b"/" + b"a" * 8000)], [200]),
    ('9112 3: "A server that receives a request-target longer than any URI it '
     'wishes to parse MUST respond with a 414"',
     [b"GET /" + b"a" * 16384], [414, "closed"]),
    ("", [get(target=b"/" + b"a" * 50000)], [414, "closed"]),

    # --- fields -----------------------------------------------------------
    ('9112 3.2: "A server MUST respond with a 400 (Bad Request) status code to '
     'any HTTP/1.1 request message that lacks a Host header field',
     [get(host=b"")], [400, "closed"]),
    ('and to any request message that contains more than one Host header field '
     'line',
     [get(HOST)], [400, "closed"]),
    ("", [get(HOST, version=b"1.0")], [400, "closed"]),
    ('or a Host header field with an invalid field value."',
     [get(host=b"Host: a/b\r\n")], [400, "closed"]),
    ("", [get(host=b"Host: a b\r\n")], [400, "closed"]),
    ("a comma might have been two of them",
     [get(host=b"Host: a,b\r\n")], [400, "closed"]),
    ("a host may have a port, be an address, or be empty",
     [get(host=b"host:[::1]:80\r\n"), get(host=b"HOST: \t127.0.0.1 \t\r\n"),
      get(host=b"Host:\r\n")], [200, 200, 200]),
    ('9112 5.1: "A server MUST reject, with a response status code of 400 (Bad '
     'Request), any received request message that contains whitespace between '
     'a header field name and colon."',
     [get(b"A : b\r\n")], [400, "closed"]),
    ("", [get(b"A\t: b\r\n")], [400, "closed"]),
    ('9112 5.2: obs-fold: "MUST either reject the message by sending a 400 '
     '[...] or replace"',
     [get(b"A: b\r\n c\r\n")], [400, "closed"]),
    ('9112 2.2: whitespace between the start-line and the first header field: '
     '"MUST either reject the message as invalid or consume"',
     [get(host=b" A: b\r\n" + HOST)], [400, "closed"]),
    ('9112 2.2: "does not match the HTTP-message grammar [...] SHOULD respond '
     'with a 400 (Bad Request) response and close the connection"',
     [get(b"no colon\r\n")], [400, "closed"]),
    ("", [get(b": no name\r\n")], [400, "closed"]),
    ("", [get(b"na(me: a\r\n")], [400, "closed"]),
    ('9110 5.5: "CR, LF, or NUL within a field value MUST either reject the '
     'message or replace"',
     [get(b"A: b\0c\r\n")], [400, "closed"]),
    ('9112 2.2: "bare CR MUST consider that element to be invalid or replace"',
     [get(b"A: b\rc\r\n")], [400, "closed"]),
    ("", [get(b"A: b\r\r\n")], [400, "closed"]),
    ("", [b"GET / HTTP/1.1\r\r\n" + HOST + b"\r\n"], [400, "closed"]),
    ('9112 2.2: "MAY recognize a single LF as a line terminator": not here',
     [get(b"A: b\n")], [400, "closed"]),
    ("", [b"GET / HTTP/1.1\n"], [400, "closed"]),
    ("", [b"\n"], [400, "closed"]),
    ("", [b"GET / HTTP/1.1\r\n" + HOST + b"\n"], [400, "closed"]),
    ('9110 5.5: "SHOULD treat other allowed octets in field content (i.e., '
     'obs-text) as opaque data"',
     [get(b"A: \xff\xfe\r\nB:\r\nC: a\tb \r\n"), PLAIN], [200, 200]),
    ('6585 5: 431: "unwilling to process the request because its header fields '
     'are too large": one of them',
     [get(b"A: " + b"b" * 16384 + b"\r\n")], [431, "closed"]),
    ("or all together",
     [get(b"A: b\r\n" * 4096)], [431, "closed"]),
    ("a head of 16384 bytes fits",
     [get(b"A: " + b"b" * (16384 - len(PLAIN) - 5) + b"\r\n"), PLAIN],
     [200, 200]),
    ("and with one more it does not",
     [get(b"A: " + b"b" * (16384 - len(PLAIN) - 4) + b"\r\n"), PLAIN],
     [431, "closed"]),

    # --- contents ---------------------------------------------------------
    ('9112 6: "Request message framing is independent of method semantics." '
     '9.3: "A server MUST read the entire request message body or close"',
     [get(b"Content-Length: 5\r\n") + b"GET /", PLAIN], [200, 200]),
    ("", [get(b"Content-Length: 0\r\n"), PLAIN], [200, 200]),
    ("", [get(b"content-length:65536 \r\n") + b"\r\n" * 32768, PLAIN],
     [200, 200]),
    ('9110 15.5.14: 413: "larger than the server is willing or able to '
     'process"',
     [get(b"Content-Length: 65537\r\n")], [413, "closed"]),
    ('9110 8.6: "MUST anticipate potentially large decimal numerals"',
     [get(b"Content-Length: " + b"9" * 40 + b"\r\n")], [413, "closed"]),
    ("", [get(b"Content-Length: 18446744073709551621\r\n")], [413, "closed"]),
    ('9112 6.3: "an invalid Content-Length header field [...] the server MUST '
     'respond with a 400 (Bad Request) status code and then close"',
     [get(b"Content-Length: -1\r\n")], [400, "closed"]),
    ("", [get(b"Content-Length: +1\r\n") + b"a"], [400, "closed"]),
    ("", [get(b"Content-Length: 0x1\r\n")], [400, "closed"]),
    ("", [get(b"Content-Length: 1 1\r\n")], [400, "closed"]),
    ("", [get(b"Content-Length:\r\n")], [400, "closed"]),
    ('9110 8.6: "the same decimal value repeated as a comma-separated list '
     '[...] MAY either reject the message as invalid or replace"',
     [get(b"Content-Length: 1, 1\r\n") + b"a"], [400, "closed"]),
    ("", [get(b"Content-Length: 1\r\nContent-Length: 2\r\n")],
     [400, "closed"]),
    ('9112 6.3: "A server MAY reject a request that contains a message body '
     'but not a Content-Length by responding with 411"',
     [get(b"Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n"],
     [411, "closed"]),
    ("", [get(b"Transfer-encoding:CHUNKED\r\n") + b"0\r\n\r\n"],
     [411, "closed"]),
    ('9112 6.1: "a transfer coding it does not understand SHOULD respond with '
     '501"',
     [get(b"Transfer-Encoding: gzip, chunked\r\n")], [501, "closed"]),
    ('9112 6.3: "the chunked transfer coding is not the final encoding [...] '
     'the server MUST respond with the 400 (Bad Request) status code and then '
     'close the connection"',
     [get(b"Transfer-Encoding: chunked, gzip\r\n")], [400, "closed"]),
    ("", [get(b"Transfer-Encoding: xchunked\r\n")], [400, "closed"]),
    ("", [get(b"Transfer-Encoding: a\r\n")], [400, "closed"]),
    ("", [get(b"Transfer-Encoding:\r\n")], [400, "closed"]),
    ('9112 6.1: "A server MAY reject a request that contains both '
     'Content-Length and Transfer-Encoding [...] Regardless, the server MUST '
     'close the connection"',
     [get(b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n")],
     [400, "closed"]),
    ("", [get(b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n")],
     [400, "closed"]),
    ('9112 6.1: "an HTTP/1.0 message containing a Transfer-Encoding header '
     'field MUST treat the message as if the framing is faulty"',
     [get(b"Transfer-Encoding: chunked\r\n", version=b"1.0")],
     [400, "closed"]),
]


def is_bare(request):
    return request.lstrip().startswith(b"HEAD ")


def look(peer, requests, expected):
    """Are these the answers?  Nothing is sent."""
    statuses = [status for status in expected if status != "closed"]
    for request, status in zip(requests, statuses):
        answer = peer.answer(is_bare(request))
        assert answer and answer[0] == status, (status, answer)
    if expected[-1] == "closed":
        # 9112 9.6: "A sender SHOULD send a Connection header field containing
        # the "close" connection option when it intends to close"
        assert answer[1][b"Connection"] == b"close"
        assert peer.closed(), "it says more, or stays"
    else:
        assert b"Connection" not in answer[1]
        peer.send(PLAIN)
        assert peer.answer()[0] == 200, "not kept alive"


def check_cases(port):
    print(f"# {len(CASES)} cases of RFC 9110 and RFC 9112")
    for rule, requests, expected in CASES:
        try:
            with Peer(port) as peer:
                peer.send(b"".join(requests))
                look(peer, requests, expected)
        except Exception:
            print(rule, [request[:99] for request in requests], expected)
            raise


def check_splits(port):
    """A second connection tells when the first part was read: the server
    answers it in the same turn, or in a later one."""
    print("# split at every byte")
    split = [
        [[get(b"Content-Length: 3\r\n") + b"\r\n\n", get(method=b"HEAD")],
         [200, 200]],
        [[b"\r\n" + get(b"Connection: close\r\n")], [200, "closed"]],
        [[get(b"A: b\r\n c\r\n")], [400, "closed"]],
        [[get(version=b"2.0")], [505, "closed"]],
    ]
    with Peer(port) as probe:
        def turn():
            probe.send(PLAIN)
            assert probe.answer()[0] == 200

        for requests, expected in split:
            data = b"".join(requests)
            for at in range(1, len(data)):
                with Peer(port) as peer:
                    peer.send(data[:at])
                    turn()
                    peer.send(data[at:])
                    look(peer, requests, expected)
        requests, expected = split[0]
        with Peer(port) as peer:
            for byte in b"".join(requests):
                peer.send(bytes([byte]))
                turn()
            look(peer, requests, expected)


def check_ends(port):
    print('# 9112 9.6: half-closed by the client does not "imply that the '
          'client is no longer interested in a response"')
    for count in 1, 600:
        with Peer(port) as peer:
            peer.send(PLAIN * count + PLAIN[:-1])
            peer.socket.shutdown(socket.SHUT_WR)
            for _ in range(count):
                assert peer.answer()[0] == 200
            assert peer.closed(), "an answer to half a request"

    print("# 9112 9.6: what is sent after a refusal does not reset the "
          'connection, which "might erase the client\'s unacknowledged input"')
    with Peer(port) as peer:
        peer.send(get(b"Content-Length: 1000000\r\n") + b"a" * 1000000)
        assert peer.answer()[0] == 413
        assert peer.closed()

    print('# 9110 10.1.1: Expect: "an immediate response with a final status '
          'code"')
    with Peer(port) as peer:
        peer.send(get(b"Content-Length: 9\r\nExpect: 100-continue\r\n"))
        assert peer.answer()[0] == 200
        peer.send(b"123456789" + PLAIN)
        assert peer.answer()[0] == 200


def check_flood(port):
    print("# requests until no more can be sent, then the end; then all answers")
    sent = 0
    data = PLAIN * 1000
    with Peer(port) as peer:
        peer.socket.setblocking(False)
        while select.select([], [peer.socket], [], 0.5)[1]:
            sent += peer.socket.send(data[sent % len(PLAIN):])
            assert sent < 100000000, "it is not held back"
        peer.socket.settimeout(PATIENCE)
        peer.socket.shutdown(socket.SHUT_WR)
        answers = 0
        while peer.more():
            pieces = peer.input.split(TEXT)
            peer.input = pieces[-1]
            answers += len(pieces) - 1
        assert not peer.input
        assert answers == sent // len(PLAIN), (answers, sent)


def check_rubbish(port):
    """Whatever comes, what goes out is a sequence of answers, then the end."""
    print("# rubbish")
    maker = random.Random(9112)
    for _ in range(300):
        data = bytearray(maker.choice(CASES)[1][0][:200])
        for _ in range(maker.randrange(1, 6)):
            data[maker.randrange(len(data))] = maker.choice(
                b"\0\r\n :/.,\tGH019A\x7f\xff")
        with Peer(port) as peer:
            peer.send(data)
            peer.socket.shutdown(socket.SHUT_WR)
            answer = peer.answer(is_bare(data))
            assert answer is None or answer[0] in (
                200, 400, 411, 413, 414, 431, 501, 505)


def drip(peer, data):
    """Sends byte after byte, and does not wait for more than that."""
    peer.socket.settimeout(0.05)
    for byte in data:
        try:
            peer.send(bytes([byte]))
            if not peer.more():
                return
        except (TimeoutError, ConnectionError):
            pass


def late_silent(port):
    # 9112 9.5: "SHOULD issue a graceful close on the connection"
    with Peer(port) as peer:
        assert peer.closed(), "it is told something"
    with Peer(port) as peer:
        peer.send(PLAIN)
        assert peer.answer()[0] == 200
        assert peer.closed(), "it is told something"


def late_slow(port):
    # 9110 15.5.9: 408: "did not receive a complete request message within the
    # time that it was prepared to wait"
    with Peer(port) as peer:
        drip(peer, b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 10000)
        assert peer.answer()[0] == 408
        assert peer.closed()
    with Peer(port) as peer:
        peer.send(b"GET / HTTP/1.1\r\n")
        assert peer.answer()[0] == 408
        assert peer.closed()


def late_slow_content(port):
    with Peer(port) as peer:
        peer.send(get(b"Content-Length: 50000\r\n"))
        assert peer.answer()[0] == 200
        drip(peer, b"a" * 50000)
        assert peer.closed(), "a request gets two answers"


def late_deaf(port):
    """It asks, and takes no answer."""
    with Peer(port) as peer:
        try:
            while True:
                peer.send(PLAIN * 1000)
        except ConnectionError:
            pass


def never_late(port, seconds):
    """The time is for each request, and not for the connection."""
    begin = sent = time.monotonic()
    with Peer(port) as peer:
        while sent - begin < 2 * seconds:
            time.sleep(seconds / 10)
            # Its time began after that.
            before, sent = sent, time.monotonic()
            try:
                peer.send(PLAIN)
                answer = peer.answer()
            except ConnectionError:
                answer = None
            if time.monotonic() - before >= seconds:
                return print("# (the machine is too slow for this)")
            assert answer and answer[0] == 200, answer


def check_late(port, milliseconds):
    print("# the silent, the slow and the deaf are shown out, none too early")
    seconds = milliseconds / 1000

    def timed(check):
        begin = time.monotonic()
        check(port)
        assert time.monotonic() - begin >= seconds, "too early"

    with concurrent.futures.ThreadPoolExecutor() as pool:
        for done in [pool.submit(timed, check) for check in
                     (late_silent, late_slow, late_slow_content, late_deaf)
                     ] + [pool.submit(never_late, port, seconds)]:
            done.result()


def check_interrupt(port, pid):
    print("# SIGINT: nobody comes in; who is there has one more answer")
    with Peer(port) as peer:
        peer.send(PLAIN + b"GET / HT")
        assert peer.answer()[0] == 200
        os.kill(pid, signal.SIGINT)
        while True:
            try:
                Peer(port).socket.close()
            except ConnectionError:
                break
        peer.send(b"TP/1.1\r\n" + HOST + b"\r\n" + PLAIN)
        status, fields, _ = peer.answer()
        assert status == 200 and fields[b"Connection"] == b"close"
        assert peer.closed()


if __name__ == "__main__":
    what, port = sys.argv[1], int(sys.argv[2])
    if what == "late":
        check_late(port, int(sys.argv[3]))
    elif what == "interrupt":
        check_interrupt(port, int(sys.argv[3]))
    else:
        for check in (check_cases, check_splits, check_ends, check_flood,
                      check_rubbish):
            check(port)
