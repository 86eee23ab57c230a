package oci

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestCreateTarGzAndExtract uses private names, as the former package's own tests do.
func TestCreateTarGzAndExtract(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(from, "a"), []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	data, err := createTarGz(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := extractTar(bytes.NewReader(data), to); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(to, "a")); err != nil || string(got) != "1" || NewClient().auth == nil {
		t.Errorf("got %q, %v", got, err)
	}
}
