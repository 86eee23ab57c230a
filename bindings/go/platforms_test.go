package pkg_test

import (
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"testing"
)

// TestCompilesOnEveryPlatform checks the package's types as each platform's compiler does without cgo, from the sources
// of the standard library, so that no platform's needs to be built.
func TestCompilesOnEveryPlatform(t *testing.T) {
	was := build.Default
	defer func() { build.Default = was }()
	for _, platform := range []struct{ system, processor string }{
		{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"},
	} {
		build.Default.GOOS, build.Default.GOARCH, build.Default.CgoEnabled = platform.system, platform.processor, false
		found, err := build.Default.ImportDir("oci", 0)
		if err != nil {
			t.Errorf("%v: %v", platform, err)
			continue
		}
		files, set := []*ast.File{}, token.NewFileSet()
		for _, name := range found.GoFiles {
			file, err := parser.ParseFile(set, filepath.Join("oci", name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
		config := types.Config{Importer: importer.ForCompiler(set, "source", nil), Sizes: types.SizesFor("gc", platform.processor)}
		checked, err := config.Check("oci", set, files, nil)
		if err != nil {
			t.Errorf("%v: %v", platform, err)
			continue
		}
		if checked.Scope().Lookup("Client") == nil || found.Doc == "" {
			t.Errorf("%v: there is no client, or no documentation", platform)
		}
	}
}
