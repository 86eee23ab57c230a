package pkg_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// platforms are those that cldctl is released for.
var platforms = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64"}

// TestCompilesOnEveryPlatform without cgo, with all its names.
func TestCompilesOnEveryPlatform(t *testing.T) {
	for _, platform := range platforms {
		checked, err := typeCheck(".", platform, "./oci/...")
		if err != nil {
			t.Errorf("%s: %v", platform, err)
			continue
		}
		for _, name := range []string{"Client", "New", "ErrUnsupported", "WithLogger"} {
			if checked["github.com/davidthor/cldctl/pkg/oci"].Scope().Lookup(name) == nil {
				t.Errorf("%s: there is no %s", platform, name)
			}
		}
	}
}

// listed is what `go list` says of a package.
type listed struct {
	Dir, ImportPath string
	GoFiles         []string
	ImportMap       map[string]string
	DepOnly         bool
}

// typeCheck does what a platform's compiler does first, without cgo: it checks the types of packages, from their
// sources, and of what they import as far as their names go, so that no platform's standard library is built.
func typeCheck(directory, platform string, patterns ...string) (map[string]*types.Package, error) {
	system, processor, _ := strings.Cut(platform, "/")
	list := exec.Command("go", append([]string{"list", "-deps", "-json=Dir,ImportPath,GoFiles,ImportMap,DepOnly"}, patterns...)...)
	list.Dir = directory
	list.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+processor)
	output, err := list.Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			err = fmt.Errorf("%w: %s", err, failed.Stderr)
		}
		return nil, err
	}
	checked, set := map[string]*types.Package{"unsafe": types.Unsafe}, token.NewFileSet()
	for packages := json.NewDecoder(strings.NewReader(string(output))); ; {
		var next listed
		if err := packages.Decode(&next); errors.Is(err, io.EOF) {
			return checked, nil
		} else if err != nil {
			return nil, err
		}
		if next.ImportPath == "unsafe" {
			continue
		}
		var files []*ast.File
		for _, name := range next.GoFiles {
			file, err := parser.ParseFile(set, filepath.Join(next.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			files = append(files, file)
		}
		config := types.Config{
			Importer:         imports{checked, next.ImportMap},
			Sizes:            types.SizesFor("gc", processor),
			IgnoreFuncBodies: next.DepOnly,
		}
		if checked[next.ImportPath], err = config.Check(next.ImportPath, set, files, nil); err != nil {
			return nil, err
		}
	}
}

// imports gives what was checked before: `go list` lists what is imported first.
type imports struct {
	checked map[string]*types.Package
	renamed map[string]string
}

// Import is types.Importer's.
func (i imports) Import(path string) (*types.Package, error) {
	if renamed, ok := i.renamed[path]; ok {
		path = renamed
	}
	if found, ok := i.checked[path]; ok {
		return found, nil
	}
	return nil, fmt.Errorf("%s was not listed", path)
}
