// Extracts a layer by compress/gzip and archive/tar.
package main

import (
	"archive/tar"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	layer, err := os.Open(os.Args[1])
	check(err)
	plain, err := gzip.NewReader(layer)
	check(err)
	archive := tar.NewReader(plain)
	for {
		entry, err := archive.Next()
		if err == io.EOF {
			break
		}
		check(err)
		path := filepath.Join(os.Args[2], entry.Name)
		switch entry.Typeflag {
		case tar.TypeDir:
			check(os.Mkdir(path, 0o755))
		case tar.TypeSymlink:
			check(os.Symlink(entry.Linkname, path))
		case tar.TypeReg:
			file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, os.FileMode(entry.Mode))
			check(err)
			_, err = io.Copy(file, archive)
			check(err)
			check(file.Close())
		default:
			panic(entry.Name)
		}
	}
	// What is behind the archive belongs to the stream too: its CRC is checked there.
	_, err = io.Copy(io.Discard, plain)
	check(err)
}
