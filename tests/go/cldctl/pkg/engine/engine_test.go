package engine

import (
	"context"
	"testing"
)

// mockOCIClient has the three methods and no more, as cldctl's has.
type mockOCIClient struct{}

func (mockOCIClient) Pull(context.Context, string, string) error { return nil }

func (mockOCIClient) PullConfig(context.Context, string) ([]byte, error) { return []byte("{}"), nil }

func (mockOCIClient) Exists(context.Context, string) (bool, error) { return true, nil }

func TestLoadDatacenterFromOCI(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	if err := (&Engine{mockOCIClient{}}).LoadDatacenterFromOCI(context.Background(), "x", t.TempDir()); err != nil {
		t.Fatal(err)
	}
}
