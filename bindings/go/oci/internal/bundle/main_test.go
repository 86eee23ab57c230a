package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// archive writes a release archive with these files and gives its path; SHA256SUMS stands beside it.
func archive(t *testing.T, name string, files map[string]string) string {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	entries := tar.NewWriter(zipped)
	for path, content := range files {
		if err := entries.WriteHeader(&tar.Header{Name: path, Size: int64(len(content)), Mode: 0o600, Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := entries.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := entries.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	place := filepath.Join(t.TempDir(), name)
	sums := fmt.Sprintf("%x  other.tar.gz\n%x  %s\n", sha256.Sum256(nil), sha256.Sum256(out.Bytes()), name)
	for path, content := range map[string]string{place: out.String(), filepath.Join(filepath.Dir(place), "SHA256SUMS"): sums} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return place
}

var whole = map[string]string{"cldoci-0.1.0-t/lib64/libcldoci.a": "library", "cldoci-0.1.0-t/include/cldoci.h": "header", "cldoci-0.1.0-t/lib64/libcldoci.so": "no"}

func TestEachTargetHasItsPlace(t *testing.T) {
	for target, place := range map[string]string{
		"x86_64-unknown-linux-gnu": "linux_amd64", "x86_64-unknown-linux-musl": "linux_amd64_musl",
		"aarch64-unknown-linux-gnu": "linux_arm64", "aarch64-unknown-linux-musl": "linux_arm64_musl",
	} {
		from, into := archive(t, "cldoci-0.1.0-"+target+".tar.gz", whole), t.TempDir()
		library, err := bundle(from, filepath.Join(filepath.Dir(from), "SHA256SUMS"), into)
		if err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		if library != filepath.Join(into, "lib", place, "libcldoci.a") {
			t.Errorf("%s: %s", target, library)
		}
		for path, want := range map[string]string{library: "library", filepath.Join(into, "lib/include/cldoci.h"): "header"} {
			if got, err := os.ReadFile(path); err != nil || string(got) != want {
				t.Errorf("%s: %q, %v", path, got, err)
			}
		}
	}
}

func TestWhatIsNotSureIsNotTaken(t *testing.T) {
	const name = "cldoci-0.1.0-x86_64-unknown-linux-gnu.tar.gz"
	changed := archive(t, name, whole)
	if err := os.WriteFile(changed, []byte("other"), 0o644); err != nil {
		t.Fatal(err)
	}
	for text, from := range map[string]string{
		"its SHA-256 is": changed,
		"does not hold":  archive(t, name, map[string]string{"x/lib/libcldoci.a": "library"}),
		"that is known":  archive(t, "cldoci-0.1.0-riscv64-unknown-linux-gnu.tar.gz", whole),
		"no such file":   filepath.Join(t.TempDir(), name),
	} {
		into := t.TempDir()
		_, err := bundle(from, filepath.Join(filepath.Dir(from), "SHA256SUMS"), into)
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want %q", err, text)
		}
		if _, err := os.Stat(filepath.Join(into, "lib", "linux_amd64", "libcldoci.a")); err == nil && text != "does not hold" {
			t.Errorf("%s: it was taken", text)
		}
	}
	from := archive(t, name, whole)
	if _, err := bundle(from, filepath.Join(t.TempDir(), "SHA256SUMS"), t.TempDir()); err == nil || !strings.Contains(err.Error(), "nothing is taken") {
		t.Errorf("without sums: %v", err)
	}
	empty := filepath.Join(t.TempDir(), "SHA256SUMS")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle(from, empty, t.TempDir()); err == nil || !strings.Contains(err.Error(), "has no sum of it") {
		t.Errorf("without its sum: %v", err)
	}
}
