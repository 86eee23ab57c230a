// Package pkg_test compiles the Go that the documentation shows.
package pkg_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDocumentationCompiles builds every Go block of the documentation as a package of this module; without cgo, as
// the package's names are the same.
func TestDocumentationCompiles(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	temporary, replace, packages := t.TempDir(), map[string]string{}, []string{}
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for i, block := range blocks(string(text)) {
			name := fmt.Sprintf("%s_%d", strings.TrimSuffix(filepath.Base(page), ".md"), i)
			source := filepath.Join(temporary, name+".go")
			if err := os.WriteFile(source, []byte(block), 0o644); err != nil {
				t.Fatal(err)
			}
			replace[filepath.Join(here, "docs_blocks", name, "block.go")] = source
			packages = append(packages, "./docs_blocks/"+name)
		}
	}
	if len(packages) == 0 {
		t.Fatal("no block was found")
	}
	overlay := filepath.Join(temporary, "overlay.json")
	body, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, body, 0o644); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", append([]string{"build", "-overlay", overlay}, packages...)...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

// blocks gives the Go of a page: whole files, and what its patches leave, in a function with what stands around them.
func blocks(text string) (found []string) {
	for _, part := range strings.Split(text, "```go\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		found = append(found, block)
	}
	for _, part := range strings.Split(text, "```diff\n")[1:] {
		patch, _, _ := strings.Cut(part, "```")
		var left strings.Builder
		for line := range strings.Lines(patch) {
			if !strings.HasPrefix(line, "-") {
				left.WriteString(line[1:])
			}
		}
		found = append(found, fmt.Sprintf(patched, left.String()))
	}
	return found
}

const patched = `package cli

import (
	"context"

	"github.com/davidthor/cldctl/pkg/oci"
)

func patched(ctx context.Context, client *oci.Client, artifact *oci.Artifact, reference string) string {
%s
	return digest
}
`
