package pkg_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const small = "../../tests/go/cldctl"

// command runs a program in a directory and gives what it prints.
func command(t *testing.T, directory, name string, arguments ...string) string {
	t.Helper()
	made := exec.Command(name, arguments...)
	made.Dir = directory
	output, err := made.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, arguments, err, output)
	}
	return string(output)
}

// checkout gives a copy of the small tree of cldctl's shapes, committed.
func checkout(t *testing.T) string {
	t.Helper()
	directory := t.TempDir()
	if err := os.CopyFS(directory, os.DirFS(small)); err != nil {
		t.Fatal(err)
	}
	command(t, directory, "git", "init", "-q")
	commit(t, directory)
	return directory
}

func commit(t *testing.T, directory string) {
	t.Helper()
	command(t, directory, "git", "add", "-A")
	command(t, directory, "git", "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "-m", "state")
}

func migrate(arguments ...string) (string, error) {
	output, err := exec.Command("migrate/migrate.sh", arguments...).CombinedOutput()
	return string(output), err
}

// TestMigrationCompilesEverywhere for which cldctl is released: with its callers patched, and switched.
func TestMigrationCompilesEverywhere(t *testing.T) {
	tree := checkout(t)
	sums, err := os.ReadFile(filepath.Join(tree, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	for _, arguments := range [][]string{{"--readers-only", tree}, {tree}} {
		if output, err := migrate(arguments...); err != nil {
			t.Fatalf("%q: %v\n%s", arguments, err, output)
		}
		for _, platform := range platforms {
			if _, err := typeCheck(tree, platform, "./..."); err != nil {
				t.Errorf("%q, %s: %v", arguments, platform, err)
			}
		}
		if output := command(t, tree, "gofmt", "-l", "."); output != "" {
			t.Errorf("%q: gofmt: %s", arguments, output)
		}
		// No dependency moves: go.mod and go.sum are as tidy as they were.
		if output := command(t, tree, "git", "status", "--porcelain", "go.mod", "go.sum"); output != "" {
			t.Errorf("%q: %s", arguments, output)
		}
		commit(t, tree)
	}
	if now, err := os.ReadFile(filepath.Join(tree, "go.sum")); err != nil || string(now) != string(sums) {
		t.Errorf("go.sum changed: %v", err)
	}
	if _, err := os.Stat(filepath.Join(tree, "pkg/oci/README.md")); err != nil {
		t.Error(err)
	}
}

// TestMigrationChangesNothingUnlessAllFits.
func TestMigrationChangesNothingUnlessAllFits(t *testing.T) {
	tree := checkout(t)
	resolver := filepath.Join(tree, "pkg/resolver/resolver.go")
	text, err := os.ReadFile(resolver)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(resolver, []byte(strings.Replace(string(text), "needsUpdate = true", "needsUpdate = !false", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if output, err := migrate(tree); err == nil || !strings.Contains(output, "not committed") {
		t.Errorf("with changes: %v, %s", err, output)
	}
	commit(t, tree)
	if output, err := migrate(tree); err == nil || !strings.Contains(output, "does not fit") {
		t.Errorf("with another resolver: %v, %s", err, output)
	}
	if output := command(t, tree, "git", "status", "--porcelain"); output != "" {
		t.Errorf("changed: %s", output)
	}
	if output, err := migrate(t.TempDir()); err == nil || !strings.Contains(output, "no go.mod") {
		t.Errorf("an empty directory: %v, %s", err, output)
	}
}
