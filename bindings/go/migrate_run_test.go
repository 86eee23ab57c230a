//go:build cgo && linux && !cldoci_none

package pkg_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// cldctl is one program of the small tree, with a home of its own.
type cldctl struct{ path, home string }

func built(t *testing.T, tree, name, cgo string, flags ...string) cldctl {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	build := exec.Command("go", append(append([]string{"build"}, flags...), "-o", path, "./cmd/"+strings.SplitN(name, "-", 2)[0])...)
	build.Dir = tree
	build.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, output)
	}
	return cldctl{path, t.TempDir()}
}

// run runs a command and gives the last word of what it prints.
func (c cldctl) run(t *testing.T, arguments ...string) string {
	t.Helper()
	made := exec.Command(c.path, arguments...)
	made.Env = append(os.Environ(), "HOME="+c.home, "CLDOCI_STORE="+filepath.Join(c.home, "store"))
	output, err := made.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", filepath.Base(c.path), arguments, err, output)
	}
	words := strings.Fields(string(output))
	if len(words) == 0 {
		return ""
	}
	return words[len(words)-1]
}

// component writes a component whose one file says what.
func component(t *testing.T, what string) string {
	t.Helper()
	directory := filepath.Join(t.TempDir(), "component")
	if err := os.Mkdir(directory, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(directory, "cld.yml"), []byte(what), 0o644); err != nil {
		t.Fatal(err)
	}
	return directory
}

// served starts the small tree's registry until the test ends.
func served(t *testing.T, tree string) string {
	t.Helper()
	server := exec.Command(built(t, tree, "registry", "0").path)
	input, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = input.Close(); _ = server.Wait() })
	address, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(address)
}

// TestMigrationRuns the programs of each step against one another, on one registry.
func TestMigrationRuns(t *testing.T) {
	tree := checkout(t)
	host, before := served(t, tree), built(t, tree, "cldctl-before", "0")
	step := func(arguments ...string) {
		if output, err := migrate(append(arguments, tree)...); err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		commit(t, tree)
	}
	step("--readers-only")
	readers := built(t, tree, "cldctl-readers", "0")
	step()
	fallback, library := built(t, tree, "cldctl-fallback", "0"), built(t, tree, "cldctl-library", "1", "-tags", "cldoci")

	t.Run("a build without a tag leaves the cache of the others", func(t *testing.T) {
		for _, program := range []cldctl{readers, fallback, library} {
			for _, tag := range []string{"stripe", "slack"} {
				program.run(t, "build", "component", component(t, tag), "localhost/a/"+tag+":v1")
			}
			if digest := program.run(t, "build", "component", component(t, "untagged")); !strings.HasPrefix(digest, "sha256:") || len(digest) != 71 {
				t.Errorf("%s: the digest is %q", program.path, digest)
			}
			entries, err := os.ReadDir(filepath.Join(program.home, ".cldctl/cache/artifacts"))
			if err != nil || len(entries) != 3 {
				t.Errorf("%s: the cache has %v, %v", program.path, entries, err)
			}
		}
	})
	t.Run("the same tree gives the same digest", func(t *testing.T) {
		directory := component(t, "x")
		first := library.run(t, "build", "component", directory)
		if again := library.run(t, "build", "component", directory); again != first {
			t.Errorf("%s, then %s", first, again)
		}
		t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
		if dated := library.run(t, "build", "component", directory); dated == first || dated != library.run(t, "build", "component", directory) {
			t.Errorf("with a date %s, without %s", dated, first)
		}
	})
	t.Run("a reader sees that an artifact changed", func(t *testing.T) {
		for i, row := range []struct {
			writer, reader cldctl
			fresh          bool
		}{
			{before, readers, true}, {library, readers, true}, {library, fallback, true}, {library, library, true},
			{fallback, readers, true}, {fallback, library, true}, {before, before, true},
			// What no patch of ours reaches: it is why readers come first.
			{library, before, false},
		} {
			reference, cache := fmt.Sprintf("%s/org/app%d:v1", host, i), t.TempDir()
			for _, content := range []string{"one", "two"} {
				row.writer.run(t, "build", "datacenter", component(t, content), reference)
				got, err := os.ReadFile(filepath.Join(row.reader.run(t, "inspect", "component", cache, reference), "cld.yml"))
				if err != nil || (string(got) == content) != (row.fresh || content == "one") {
					t.Errorf("%s, then %s: %s is %q, %v", row.writer.path, row.reader.path, content, got, err)
				}
			}
		}
	})
	t.Run("a pull shows the manifest's digest", func(t *testing.T) {
		reference := host + "/org/pulled:v1"
		pushed := library.run(t, "build", "datacenter", component(t, "x"), reference)
		for _, program := range []cldctl{readers, fallback, library} {
			if got := program.run(t, "pull", "component", filepath.Join(t.TempDir(), "x"), reference); got != pushed {
				t.Errorf("%s: %s, want %s", program.path, got, pushed)
			}
			program.run(t, "deploy", "datacenter", filepath.Join(t.TempDir(), "x"), reference)
			list, err := os.ReadFile(filepath.Join(program.home, ".cldctl/cache/list"))
			if err != nil || strings.Count(string(list), pushed) != 2 {
				t.Errorf("%s: the list is %s, %v", program.path, list, err)
			}
		}
	})
}
