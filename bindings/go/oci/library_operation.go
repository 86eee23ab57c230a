//go:build cgo && linux && !cldoci_none

package oci

/*
#include <cldoci.h>
*/
import "C"

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

const (
	// reportEvery is how often a progress function is called.
	reportEvery = 100 * time.Millisecond
	// waiterLimit bounds the calls that wait within the library, each of which keeps a thread: the quickest way for a
	// call that is alone, and a slow one for a crowd.
	waiterLimit = 1
	// descriptorLimit bounds the descriptors that others wait on at once, each of which costs the process two.
	// What is beyond asks now and then, so that any number of calls needs neither threads nor descriptors.
	descriptorLimit = 64
	// entryLimit bounds the calls that are inside the library at once, and with them the threads that a crowd
	// of goroutines makes the runtime start: each of these calls is short, but copies what it is given.
	entryLimit = 16
)

var (
	waiters     = make(chan struct{}, waiterLimit)
	descriptors = make(chan struct{}, descriptorLimit)
	entries     = make(chan struct{}, entryLimit)
)

// entering runs a call that may take longer than a moment, with few others beside it.
func entering[T any](call func() (T, error)) (T, error) {
	entries <- struct{}{}
	defer func() { <-entries }()
	return call()
}

// nativeClient is the library's client.
type nativeClient struct{ handle *C.cldoci_client }

func newNativeClient(values []setting) (nativeClient, error) {
	options, err := newOptions(values)
	if err != nil {
		return nativeClient{}, err
	}
	defer C.cldoci_options_free(options)
	var made nativeClient
	var object *C.cldoci_error
	err = failure(C.cldoci_client_new(options, &made.handle, &object), &object)
	return made, err
}

func (n nativeClient) free() { C.cldoci_client_free(n.handle) }

// run starts the operation of a call, waits for its end, and gives what it came to.
func (n nativeClient) run(ctx context.Context, v *verb) (*outcome, error) {
	in, err := n.take(&v.request)
	defer in.free()
	if err != nil {
		return nil, err
	}
	if in.options, err = newOptions(v.options(ctx)); err != nil {
		return nil, err
	}
	operation, err := entering(func() (*C.cldoci_operation, error) {
		status := in.start(n.handle, v.request.action)
		if v.request.started != nil {
			v.request.started()
		}
		return in.operation, failure(status, &in.object)
	})
	if err != nil {
		return nil, err
	}
	defer C.cldoci_operation_free(operation)
	stop := context.AfterFunc(ctx, func() {
		// A handle that was freed meanwhile is refused, as every stale handle is.
		C.cldoci_operation_cancel(operation, nil)
	})
	defer stop()
	v.await(operation)
	return entering(func() (*outcome, error) {
		var result *C.cldoci_result
		var object *C.cldoci_error
		if err := failure(C.cldoci_operation_result(operation, &result, &object), &object); err != nil {
			return nil, err
		}
		defer C.cldoci_result_free(result)
		return outcomeOf(v.request.action, result)
	})
}

// await returns once the operation has ended.
func (v *verb) await(operation *C.cldoci_operation) {
	if v.settings.progress == nil {
		select {
		case waiters <- struct{}{}:
			defer func() { <-waiters }()
			C.cldoci_operation_wait(operation, -1, nil)
			return
		default:
		}
	}
	select {
	case descriptors <- struct{}{}:
		defer func() { <-descriptors }()
		if ended := openDescriptor(operation); ended != nil {
			defer func() { _ = ended.Close() }()
			v.watch(operation, ended)
			return
		}
	default:
	}
	v.poll(operation)
}

// openDescriptor gives what reads as ended once the operation has; nil where none is to be had.
func openDescriptor(operation *C.cldoci_operation) *os.File {
	var fd C.int32_t
	if C.cldoci_operation_open_descriptor(operation, &fd, nil) != C.CLDOCI_OK {
		return nil
	}
	// The runtime's poller takes only descriptors that do not block.
	if err := syscall.SetNonblock(int(fd), true); err != nil {
		_ = syscall.Close(int(fd))
		return nil
	}
	return os.NewFile(uintptr(fd), "operation")
}

// watch waits on a descriptor.
func (v *verb) watch(operation *C.cldoci_operation, ended *os.File) {
	var none [1]byte
	for {
		if v.settings.progress != nil {
			if ended.SetReadDeadline(time.Now().Add(reportEvery)) != nil {
				v.poll(operation)
				return
			}
		}
		_, err := ended.Read(none[:])
		v.report(operation)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
	}
	// It ended before the descriptor did; should the read have failed, this waits.
	C.cldoci_operation_wait(operation, -1, nil)
}

// waitIdle asks for short times, so that the context's end is seen.
func waitIdle(ctx context.Context) error {
	for {
		var object *C.cldoci_error
		status := C.cldoci_wait_idle(20, &object)
		if status != C.CLDOCI_PENDING {
			return failure(status, &object)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// poll asks now and then, less often the longer it takes.
func (v *verb) poll(operation *C.cldoci_operation) {
	reported := time.Now()
	for pause := time.Millisecond; C.cldoci_operation_wait(operation, 0, nil) == C.CLDOCI_PENDING; {
		time.Sleep(pause)
		pause = min(pause*5/4, 50*time.Millisecond)
		if time.Since(reported) >= reportEvery {
			v.report(operation)
			reported = time.Now()
		}
	}
	v.report(operation)
}

func (v *verb) report(operation *C.cldoci_operation) {
	if v.settings.progress == nil {
		return
	}
	var p C.cldoci_progress
	p.struct_size = C.sizeof_cldoci_progress
	if C.cldoci_operation_progress(operation, &p, nil) != C.CLDOCI_OK {
		return
	}
	v.settings.progress(Progress{
		Phase: Phase(p.phase), BytesDone: int64(p.bytes_done), BytesTotal: int64(p.bytes_total),
		EntriesDone: int64(p.entries_done), EntriesTotal: int64(p.entries_total),
	})
}
