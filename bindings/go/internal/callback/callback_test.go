//go:build cgo && linux && !cldoci_none

package callback_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/davidthor/cldctl/pkg/internal/callback"
	"github.com/davidthor/cldctl/pkg/oci"
)

// watcher allocates in each callback, so that the collector has work there.
type watcher struct {
	mutex    sync.Mutex
	phases   []string
	bytes    uint64
	finished atomic.Int64
	cancel   bool
}

func (w *watcher) Progress(phase int, bytesDone uint64) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.phases = append(w.phases, fmt.Sprint(phase))
	w.bytes = max(w.bytes, bytesDone)
	return w.cancel
}

func (w *watcher) Finished() { w.finished.Add(1) }

// Test_x_21_a_go_host has 1,000 goroutines, callbacks into Go and a collector that never rests in one process,
// with the runtime's preemption signals (SIGURG) going to every thread; the script runs it under
// GODEBUG=cgocheck=1 and the race detector.
func Test_x_21_a_go_host(t *testing.T) {
	directory, store := t.TempDir(), filepath.Join(t.TempDir(), "store")
	if err := os.WriteFile(filepath.Join(directory, "a"), []byte(strings.Repeat("x", 100_000)), 0o644); err != nil {
		t.Fatal(err)
	}
	stop, collected := make(chan struct{}), make(chan struct{})
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
	client := oci.NewClient(oci.WithStore(store))
	layout := "ocidir://" + filepath.Join(t.TempDir(), "layout")
	for i := range 1000 {
		group.Add(1)
		go func() {
			defer group.Done()
			if exists, err := client.Exists(context.Background(), fmt.Sprintf("%s:v%d", layout, i)); exists || err != nil {
				t.Errorf("call %d: %v, %v", i, exists, err)
			}
		}()
	}
	for range 4 {
		group.Add(1)
		go func() {
			defer group.Done()
			for range 5 {
				watched := &watcher{}
				if _, err := callback.Build(directory, store, watched); err != nil {
					t.Error(err)
				}
				for deadline := time.Now().Add(10 * time.Second); watched.finished.Load() == 0 && time.Now().Before(deadline); {
					time.Sleep(time.Millisecond)
				}
				watched.mutex.Lock()
				if n := len(watched.phases); n == 0 || watched.phases[n-1] != "6" || watched.bytes == 0 || watched.finished.Load() != 1 {
					t.Errorf("it was told the phases %q and %d bytes, and finished %d times", watched.phases, watched.bytes, watched.finished.Load())
				}
				watched.mutex.Unlock()
			}
		}()
	}
	group.Wait()
	close(stop)
	<-collected
}

func TestCallbackCancels(t *testing.T) {
	directory := t.TempDir()
	for i := range 2000 {
		if err := os.WriteFile(filepath.Join(directory, fmt.Sprint(i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	watched := &watcher{cancel: true}
	status, err := callback.Build(directory, filepath.Join(t.TempDir(), "store"), watched)
	if status != int(oci.CodeCancelled) {
		t.Errorf("got %d, %v", status, err)
	}
}
