//go:build cgo && linux && !cldoci_none

package oci

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
)

// saveLayer has the library write a layer's bytes into a pipe, and a function take them from it.
func (v *verb) saveLayer(ctx context.Context, layer *Layer, take func(io.Reader) error) error {
	defer runtime.KeepAlive(layer.source)
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		errno, _ := err.(syscall.Errno)
		return &Error{Code: CodeIO, Message: fmt.Sprintf("a pipe: %v", err), Errno: errno}
	}
	// The library's end blocks. Ours is for the runtime's poller, else it blocks a thread.
	_ = syscall.SetNonblock(ends[0], true)
	reader, writer := os.NewFile(uintptr(ends[0]), "layer"), os.NewFile(uintptr(ends[1]), "layer")
	defer func() { _ = reader.Close() }()
	defer func() { _ = writer.Close() }()
	var taken chan error
	call := *v
	call.request.layer, call.request.pipe = layer.source, ends[1]
	call.request.started = func() {
		// The library has its own copy; with this one closed the reader sees the end of it.
		_ = writer.Close()
		taken = make(chan error, 1)
		go func() {
			err := take(reader)
			// Should it have given up, the library's writing fails, too.
			_ = reader.Close()
			taken <- err
		}()
	}
	_, err := call.operate(ctx)
	// Once this has returned nothing is taken any more.
	if taken != nil {
		if failed := <-taken; failed != nil {
			return failed
		}
	}
	return err
}
