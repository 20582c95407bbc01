"""An example receiver. It verifies each callback, handles each only once, and responds quickly. It needs only
Python 3.9 or newer.

    CALLBACK_SECRET=whsec_… PORT=3000 python3 receiver.py
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["CALLBACK_SECRET"].removeprefix("whsec_"))
TOLERANCE_SECONDS = 300
MAX_BODY_BYTES = 20_000

# Ids of handled callbacks. In production, store them in a table with a unique column, in the transaction that handles the
# event.
handled = set()
lock = threading.Lock()


def is_valid(webhook_id, timestamp, signatures, body):
    """Whether one of the space-separated signatures is valid, and the timestamp is at most 5 minutes off."""
    if not timestamp.isascii() or not timestamp.isdigit() or abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    signed = webhook_id.encode() + b"." + timestamp.encode() + b"." + body
    expected = b"v1," + base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest())
    # A list, and not a generator, so that all signatures are compared. Each comparison takes constant time.
    return any([hmac.compare_digest(expected, each.encode()) for each in signatures.split(" ")])


class Receiver(BaseHTTPRequestHandler):
    timeout = 10

    def do_POST(self):
        length = self.headers.get("content-length", "")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            return self.answer(400)
        body = self.rfile.read(int(length))
        webhook_id = self.headers.get("webhook-id", "")
        timestamp = self.headers.get("webhook-timestamp", "")
        if not is_valid(webhook_id, timestamp, self.headers.get("webhook-signature", ""), body):
            return self.answer(401)
        with lock:
            # A duplicate is accepted, so that it is not sent again.
            if webhook_id not in handled:
                handled.add(webhook_id)
                print(json.dumps({"id": webhook_id, **json.loads(body)}), flush=True)
        return self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.end_headers()

    def log_message(self, *arguments):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "3000"))), Receiver)
print(f"http://127.0.0.1:{server.server_port}/", file=sys.stderr, flush=True)
server.serve_forever()
