// Bundle puts the static library of a release archive where the build tag cldoci_bundled links it from, once its sum
// is the one that SHA256SUMS says.
//
//	go run ./pkg/oci/internal/bundle cldoci-0.1.0-x86_64-unknown-linux-musl.tar.gz …
//
// SHA256SUMS is the file of that name beside each archive; -sums names another.
package main

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

func main() {
	sums := flag.String("sums", "", "the file of sums; by default SHA256SUMS beside the archive")
	into := flag.String("into", "", "the package's directory; by default the one that this program stands in")
	flag.Parse()
	if flag.NArg() == 0 {
		fail(errors.New("usage: bundle [-sums FILE] [-into DIRECTORY] ARCHIVE…"))
	}
	directory := *into
	if directory == "" {
		_, file, _, _ := runtime.Caller(0)
		if !filepath.IsAbs(file) {
			fail(errors.New("built with -trimpath it does not know where it stands: say -into DIRECTORY"))
		}
		directory = filepath.Join(filepath.Dir(file), "..", "..")
	}
	for _, archive := range flag.Args() {
		list := *sums
		if list == "" {
			list = filepath.Join(filepath.Dir(archive), "SHA256SUMS")
		}
		place, err := bundle(archive, list, directory)
		if err != nil {
			fail(fmt.Errorf("%s: %w", archive, err))
		}
		fmt.Println("bundled", place)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "bundle:", err)
	os.Exit(1)
}

// bundle puts an archive's library and header below directory, and gives the library's path.
func bundle(archive, sums, directory string) (string, error) {
	place, err := placeOf(filepath.Base(archive))
	if err != nil {
		return "", err
	}
	file, err := os.Open(archive)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	if err := check(file, sums, filepath.Base(archive)); err != nil {
		return "", err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	library := filepath.Join(directory, "lib", place, "libcldoci.a")
	wanted := map[string]string{"libcldoci.a": library, "cldoci.h": filepath.Join(directory, "lib", "include", "cldoci.h")}
	return library, unpack(file, wanted)
}

var target = regexp.MustCompile(`-(x86_64|aarch64)-unknown-linux-(gnu|musl)\.tar\.gz$`)

// placeOf gives the directory of a target's library, by the archive's name.
func placeOf(name string) (string, error) {
	match := target.FindStringSubmatch(name)
	if match == nil {
		return "", errors.New("the name does not end in -TARGET.tar.gz of a target that is known")
	}
	place := "linux_" + map[string]string{"x86_64": "amd64", "aarch64": "arm64"}[match[1]]
	if match[2] == "musl" {
		place += "_musl"
	}
	return place, nil
}

// check compares a file with the sum that the list has for its name.
func check(file io.Reader, sums, name string) error {
	list, err := os.Open(sums)
	if err != nil {
		return fmt.Errorf("without a list of sums nothing is taken: %w", err)
	}
	defer func() { _ = list.Close() }()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return err
	}
	for lines := bufio.NewScanner(list); lines.Scan(); {
		want, of, found := strings.Cut(lines.Text(), "  ")
		if !found || path.Base(of) != name {
			continue
		}
		if got := fmt.Sprintf("%x", hash.Sum(nil)); got != want {
			return fmt.Errorf("its SHA-256 is %s, %s says %s", got, sums, want)
		}
		return nil
	}
	return fmt.Errorf("%s has no sum of it", sums)
}

// unpack writes the wanted files of an archive, by their last names, each whole or not at all.
func unpack(archive io.Reader, wanted map[string]string) error {
	unzipped, err := gzip.NewReader(archive)
	if err != nil {
		return err
	}
	entries := tar.NewReader(unzipped)
	for found := 0; ; {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			if found != len(wanted) {
				return errors.New("it does not hold libcldoci.a and cldoci.h")
			}
			return nil
		}
		if err != nil {
			return err
		}
		place, ok := wanted[path.Base(header.Name)]
		if !ok || header.Typeflag != tar.TypeReg {
			continue
		}
		if err := write(place, entries); err != nil {
			return err
		}
		found++
	}
}

func write(place string, content io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(place), ".bundle-*")
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	if err = errors.Join(err, file.Chmod(0o644), file.Close()); err == nil {
		err = os.Rename(file.Name(), place)
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return err
}
