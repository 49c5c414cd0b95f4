"""Runs in datatrove's environment: what its WARC reader makes of the bytes of pages.

    python peer_charset.py PAGES

PAGES holds one page a line in Base64. Prints one line of JSON: CPU seconds, and for each page a hash of its
text, or null where the reader drops it: UTF-8 strictly, else what cchardet says, strictly, else nothing.
"""

import base64
import hashlib
import json
import sys
import time
from pathlib import Path

import cchardet


def decode(data: bytes) -> "str | None":
    try:
        return data.decode("UTF-8")
    except UnicodeDecodeError:
        charset = cchardet.detect(data)["encoding"]
        try:
            return data.decode(charset) if charset and charset != "UTF-8" else None
        except (UnicodeDecodeError, LookupError):
            return None


def main() -> None:
    pages = [base64.b64decode(line) for line in Path(sys.argv[1]).read_bytes().splitlines()]
    started = time.process_time()
    texts = [decode(page) for page in pages]
    seconds = time.process_time() - started
    digests = [
        None
        if text is None
        else hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        for text in texts
    ]
    print(json.dumps({"seconds": seconds, "digests": digests}))


if __name__ == "__main__":
    main()
