"""The whole gzip stream in one call, as many programs do it."""
import sys
import zlib

with open(sys.argv[1], "rb") as layer:
    sys.stdout.buffer.write(zlib.decompress(layer.read(), 31))
