// Package registry stands for cldctl's list of local artifacts.
package registry

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"
)

type ArtifactEntry struct {
	Reference, Digest string
	Size              int64
	CreatedAt         time.Time
	CachePath         string
}

type Registry struct{ path string }

func home() (string, error) {
	directory, err := os.UserHomeDir()
	return filepath.Join(directory, ".cldctl", "cache", "artifacts"), err
}

// CachePathForRef gives the cache's root for an empty reference, as cldctl's does.
func CachePathForRef(ref string) (string, error) {
	root, err := home()
	return filepath.Join(root, strings.NewReplacer("/", "_", ":", "_").Replace(ref)), err
}

func NewRegistry() (*Registry, error) {
	root, err := home()
	if err != nil {
		return nil, err
	}
	return &Registry{filepath.Join(filepath.Dir(root), "list")}, os.MkdirAll(root, 0o755)
}

// Add writes one line for each artifact.
func (r *Registry) Add(entry ArtifactEntry) error {
	text, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(r.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	_, err = file.Write(append(text, '\n'))
	return err
}
