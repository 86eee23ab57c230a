"""Blocking verbs with callbacks, called with Python's lock held (PyDLL) and let go (CDLL)."""

import ctypes
import http.server
import os
import sys
import threading

PROGRESS = (ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
LOG = (None, ctypes.c_int32, ctypes.c_char_p, ctypes.c_void_p)
CREDENTIAL = (ctypes.c_int32, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p)


def check(status, wanted=0):
    assert status == wanted, f"status {status}, wants {wanted}"


def verbs(load, function, library, scratch, name):
    """Builds into a layout, which needs no network, and asks a registry that nobody serves as to its credential."""
    c = load(library)
    here = threading.get_ident()
    told = {"progress": 0, "log": 0}

    def on_progress(_progress, _user_data):
        assert threading.get_ident() == here
        told["progress"] += 1
        return 0

    def on_line(_level, _line, _user_data):
        assert threading.get_ident() == here
        told["log"] += 1

    progress, line = function(*PROGRESS)(on_progress), function(*LOG)(on_line)
    options, client, reference = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    check(c.cldoci_options_new(ctypes.byref(options), None))
    check(c.cldoci_options_set_progress_callback(options, progress, None, None, None))
    check(c.cldoci_options_set_log_callback(options, 4, line, None, None, None))
    check(c.cldoci_client_new(None, ctypes.byref(client), None))
    layout = os.path.join(scratch, name).encode()
    check(c.cldoci_reference_layout(layout, b"v1", None, ctypes.byref(reference), None))
    tree = os.path.join(scratch, "tree").encode()
    check(c.cldoci_build_and_push(client, tree, b"component", None, ctypes.c_size_t(0), reference, options, None, None))
    out = os.path.join(scratch, name + "-out").encode()
    check(c.cldoci_pull(client, reference, out, options, None, None))
    assert told["progress"] >= 2 and told["log"] >= 4, told
    for free, handle in (("reference", reference), ("client", client), ("options", options)):
        check(getattr(c, f"cldoci_{free}_free")(handle))


class Demands(http.server.BaseHTTPRequestHandler):
    """A registry that demands a credential and never takes one."""

    def do_HEAD(self):
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD

    def log_message(self, *_):
        pass


def credential(library):
    """The registry is another thread of this very interpreter, so that its lock has to be let go: CDLL."""
    c = ctypes.CDLL(library)
    here = threading.get_ident()
    asked = []

    def on_credential(registry, repository, filled, _user_data):
        assert threading.get_ident() == here
        asked.append((registry, repository))
        check(c.cldoci_credential_set_basic(ctypes.c_void_p(filled), b"user", b"password", None))
        return 1

    callback = ctypes.CFUNCTYPE(*CREDENTIAL)(on_credential)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Demands)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options, client, reference = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    check(c.cldoci_options_new(ctypes.byref(options), None))
    check(c.cldoci_options_set_credential_callback(options, callback, None, None, None))
    check(c.cldoci_client_new(options, ctypes.byref(client), None))
    name = f"127.0.0.1:{server.server_port}/name:tag".encode()
    check(c.cldoci_reference_parse(name, ctypes.byref(reference), None))
    status = c.cldoci_exists(client, reference, None, None, None)
    assert asked == [(name.split(b"/")[0], b"name")] and status < 0, (asked, status)
    for free, handle in (("reference", reference), ("client", client), ("options", options)):
        check(getattr(c, f"cldoci_{free}_free")(handle))
    server.shutdown()
    server.server_close()


if __name__ == "__main__":
    verbs(ctypes.PyDLL, ctypes.PYFUNCTYPE, sys.argv[1], sys.argv[2], "held")
    verbs(ctypes.CDLL, ctypes.CFUNCTYPE, sys.argv[1], sys.argv[2], "free")
    credential(sys.argv[1])
    library = ctypes.CDLL(sys.argv[1])
    check(library.cldoci_wait_idle(ctypes.c_int64(10000), None))
