//go:build cgo && linux && !cldoci_none

package oci_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/davidthor/cldctl/pkg/oci"
)

// threads gives how many threads this process has.
func threads(t testing.TB) int {
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestThousandGoroutines runs in a process of its own, so that no other test's threads are counted, with 256
// descriptors.
func TestThousandGoroutines(t *testing.T) {
	registry := newFakeRegistry(t)
	client := newClient(t)
	artifact := build(t, client, tree(t, map[string]string{"a": "1"}), oci.ArtifactTypeComponent, nil)
	artifact.Reference = registry.host() + "/org/app:v1"
	if err := client.Push(context.Background(), artifact); err != nil {
		t.Fatal(err)
	}
	registry.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		time.Sleep(20 * time.Millisecond) // a registry that is far away
		return false
	})
	child := exec.Command(os.Args[0], "-test.run=^TestThousandGoroutinesChild$", "-test.count=1", "-test.v")
	child.Env = append(os.Environ(), "CLDOCI_TEST_REFERENCE="+artifact.Reference, "CLDOCI_TEST_STORE="+filepath.Join(t.TempDir(), "store"))
	output, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	t.Logf("%s", output)
}

func TestThousandGoroutinesChild(t *testing.T) {
	reference := os.Getenv("CLDOCI_TEST_REFERENCE")
	if reference == "" {
		t.Skip("run by TestThousandGoroutines")
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = 256
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	client := oci.NewClient(oci.WithStore(os.Getenv("CLDOCI_TEST_STORE")))
	directory := t.TempDir()
	var group sync.WaitGroup
	var ended atomic.Bool
	most := threads(t)
	for i := range 1000 {
		group.Add(1)
		go func() {
			defer group.Done()
			var err error
			switch i % 4 {
			case 0:
				_, err = client.Resolve(context.Background(), reference)
			case 1:
				_, err = client.PullConfig(context.Background(), reference)
			case 2:
				var exists bool
				if exists, err = client.Exists(context.Background(), reference); !exists {
					err = errors.Join(err, errors.New("it does not exist"))
				}
			default:
				err = client.Pull(context.Background(), reference, filepath.Join(directory, fmt.Sprint(i)))
			}
			if err != nil {
				t.Errorf("call %d: %v", i, err)
			}
		}()
	}
	go func() { group.Wait(); ended.Store(true) }()
	for !ended.Load() {
		most = max(most, threads(t))
		time.Sleep(time.Millisecond)
	}
	if most > 64 {
		t.Errorf("1,000 goroutines took %d threads, at most 64 are meant", most)
	}
	t.Logf("%d threads at most", most)
}

func TestCancelUnderLoad(t *testing.T) {
	registry := newFakeRegistry(t)
	client := newClient(t)
	artifact := build(t, client, tree(t, map[string]string{"a": strings.Repeat("0123456789", 50_000)}), oci.ArtifactTypeComponent, nil)
	artifact.Reference = registry.host() + "/org/app:v1"
	if err := client.Push(context.Background(), artifact); err != nil {
		t.Fatal(err)
	}
	parent := t.TempDir()
	var group sync.WaitGroup
	var cancelled, whole atomic.Int64
	for i := range 200 {
		group.Add(1)
		go func() {
			defer group.Done()
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.IntN(200))*time.Millisecond)
			defer cancel()
			destination := filepath.Join(parent, fmt.Sprint(i))
			err := client.Pull(ctx, artifact.Reference, destination)
			_, missing := os.Stat(destination)
			switch {
			case err == nil && missing == nil:
				whole.Add(1)
			case errors.Is(err, context.DeadlineExceeded) && errors.Is(missing, os.ErrNotExist):
				cancelled.Add(1)
			default:
				t.Errorf("pull %d: %v, and the destination: %v", i, err, missing)
			}
		}()
	}
	group.Wait()
	// What a cancelled pull had staged beside its destination is removed, by the threads that wrote it.
	var entries []os.DirEntry
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		var err error
		if entries, err = os.ReadDir(parent); err != nil {
			t.Fatal(err)
		}
		if int64(len(entries)) == whole.Load() || time.Now().After(deadline) {
			break
		}
	}
	if int64(len(entries)) != whole.Load() {
		t.Errorf("%d pulls were whole, and there are %d entries: %v", whole.Load(), len(entries), entries)
	}
	if cancelled.Load() == 0 {
		t.Error("none was cancelled")
	}
	if err := client.Pull(context.Background(), artifact.Reference, filepath.Join(parent, "after")); err != nil {
		t.Errorf("after all: %v", err)
	}
}

// TestGarbageCollectionStress drops clients and artifacts while the collector runs all the time.
func TestGarbageCollectionStress(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	registry := newFakeRegistry(t)
	directory := tree(t, map[string]string{"a": strings.Repeat("x", 10_000)})
	store := filepath.Join(t.TempDir(), "store")
	stop := make(chan struct{})
	collected := make(chan struct{})
	go func() {
		defer close(collected)
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	var group sync.WaitGroup
	for worker := range 4 {
		group.Add(1)
		go func() {
			defer group.Done()
			for round := range 10 {
				options := []oci.Option{oci.WithStore(store), oci.WithUserAgent(fmt.Sprint("agent-", round%2))}
				if round%2 == 0 {
					options = append(options, oci.WithoutLayerData())
				}
				artifact, err := oci.NewClient(options...).BuildFromDirectory(context.Background(), directory, oci.ArtifactTypeComponent, nil)
				if err != nil {
					t.Error(err)
					return
				}
				artifact.Reference = fmt.Sprintf("%s/org/app:v%d", registry.host(), worker)
				if err := oci.NewClient(options...).Push(context.Background(), artifact); err != nil {
					t.Error(err)
					return
				}
				config, err := oci.NewClient(options...).PullConfig(context.Background(), artifact.Reference)
				if err != nil || !bytes.Equal(config, artifact.Config) {
					t.Errorf("got %s, %v", config, err)
				}
			}
		}()
	}
	group.Wait()
	close(stop)
	<-collected
}
