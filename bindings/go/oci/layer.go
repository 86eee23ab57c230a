//go:build cgo && linux

package oci

/*
#include <cldoci.h>
*/
import "C"

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
)

// ReadLayer gives a layer's bytes, verified, from wherever they are: Layer.Data, the store, or the place that the
// artifact was inspected at.
func (c *Client) ReadLayer(ctx context.Context, layer *Layer, options ...Option) ([]byte, error) {
	if err := layer.readable(); err != nil {
		return nil, err
	}
	if layer.Data != nil {
		return layer.Data, nil
	}
	v := c.verb("", failedTo("read the layer"), options)
	data, err := v.readLayer(ctx, layer)
	if err != nil {
		return nil, v.failed(ctx, err)
	}
	return data, nil
}

// WriteLayer writes a layer's bytes to w as they come, in bounded memory. They are verified: what w got is the
// layer once nil is returned, and not before.
func (c *Client) WriteLayer(ctx context.Context, w io.Writer, layer *Layer, options ...Option) error {
	if err := layer.readable(); err != nil {
		return err
	}
	if layer.Data != nil {
		_, err := w.Write(layer.Data)
		return err
	}
	v := c.verb("", failedTo("read the layer"), options)
	err := v.saveLayer(ctx, layer, func(r io.Reader) error {
		_, err := io.Copy(w, r)
		return err
	})
	return v.failed(ctx, err)
}

// readable says why a layer has no bytes to read.
func (l *Layer) readable() error {
	if l == nil || (l.Data == nil && l.source == nil) {
		return &Error{Code: CodeArgument, Message: "the layer has no Data and was neither built nor inspected"}
	}
	return nil
}

// readLayer gives a layer's bytes from where the library has them, so that they are in memory once.
func (v *verb) readLayer(ctx context.Context, layer *Layer) ([]byte, error) {
	data, got := make([]byte, C.cldoci_artifact_layer_size(layer.source.held.artifact, layer.source.index)), 0
	err := v.saveLayer(ctx, layer, func(r io.Reader) error {
		// What comes short is told by the library, which says why.
		got, _ = io.ReadFull(r, data)
		io.Copy(io.Discard, r)
		return nil
	})
	if err == nil && got < len(data) {
		err = &Error{Code: CodeInternal, Message: fmt.Sprintf("layer %s: %d of %d bytes", layer.Digest, got, len(data))}
	}
	return data, err
}

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
	defer reader.Close()
	defer writer.Close()
	var taken chan error
	result, err := v.operate(ctx, func(in *entry) C.cldoci_status {
		held, at := layer.source.held.artifact, layer.source.index
		status := C.cldoci_save_layer_start(in.client, held, at, C.int32_t(ends[1]), in.options, &in.operation, &in.object)
		// The library has its own copy; with this one closed the reader sees the end of it.
		writer.Close()
		taken = make(chan error, 1)
		go func() {
			err := take(reader)
			// Should it have given up, the library's writing fails, too.
			reader.Close()
			taken <- err
		}()
		return status
	})
	if err == nil {
		C.cldoci_result_free(result)
	}
	// Once this has returned nothing is taken any more.
	if taken != nil {
		if failed := <-taken; failed != nil {
			return failed
		}
	}
	return err
}
