"""Extracts a layer by tarfile. MODE is `r:gz` (seeks) or `r|gz` (a stream); `r:` reads a plain tar."""
import sys
import tarfile

mode, layer, directory = sys.argv[1:]
with tarfile.open(layer, mode, encoding="utf-8", errors="surrogateescape") as archive:
    try:
        archive.extractall(directory, filter="fully_trusted")
    except TypeError:  # before filters
        archive.extractall(directory)
