//go:build cgo && linux

package oci

/*
#include <cldoci.h>
*/
import "C"

import (
	"context"
	"errors"
	"os"
	"runtime"
	"syscall"
	"time"
)

const (
	// reportEvery is how often a progress function is called.
	reportEvery = 100 * time.Millisecond
	// descriptorLimit bounds the descriptors that calls wait on at once, each of which costs the process two.
	// What is beyond asks now and then, so that any number of calls needs neither threads nor descriptors.
	descriptorLimit = 64
	// entryLimit bounds the calls that are inside the library at once, and with them the threads that a crowd
	// of goroutines makes the runtime start: each of these calls is short, but copies what it is given.
	entryLimit = 16
)

var (
	descriptors = make(chan struct{}, descriptorLimit)
	entries     = make(chan struct{}, entryLimit)
)

// entering runs a call that may take longer than a moment, with few others beside it.
func entering[T any](call func() (T, error)) (T, error) {
	entries <- struct{}{}
	defer func() { <-entries }()
	return call()
}

// verb is one call of a method: what all of them have in common.
type verb struct {
	client    *Client
	settings  *settings
	reference string              // for the error
	words     func(*Error) *Error // the error's words for a person
}

// entry is what every call that starts an operation takes and gives.
type entry struct {
	client    *C.cldoci_client
	options   *C.cldoci_options
	operation *C.cldoci_operation
	object    *C.cldoci_error
}

// starter starts an operation of the library.
type starter func(in *entry) C.cldoci_status

// run starts an operation, waits for its end, and gives its result, which the caller frees.
func (v *verb) run(ctx context.Context, start starter) (*C.cldoci_result, error) {
	result, err := v.operate(ctx, start)
	if err != nil {
		return nil, v.failed(ctx, err)
	}
	if report := v.settings.warning; report != nil {
		for _, warning := range warningsOf(result) {
			report(warning)
		}
	}
	return result, nil
}

func (v *verb) operate(ctx context.Context, start starter) (*C.cldoci_result, error) {
	if err := ctx.Err(); err != nil {
		return nil, &Error{Code: CodeCancelled, Message: err.Error()}
	}
	engine, err := v.client.use()
	if err != nil {
		return nil, err
	}
	// The engine lives as long as its last call.
	defer runtime.KeepAlive(engine)
	options, err := newOptions(v.options(ctx))
	if err != nil {
		return nil, err
	}
	defer C.cldoci_options_free(options)
	operation, err := entering(func() (*C.cldoci_operation, error) {
		in := &entry{client: engine.handle, options: options}
		status := start(in)
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
	return entering(func() (*C.cldoci_result, error) {
		var result *C.cldoci_result
		var object *C.cldoci_error
		err := failure(C.cldoci_operation_result(operation, &result, &object), &object)
		return result, err
	})
}

// options gives the library's options of this call. Its deadline is the context's or the client's own,
// whichever comes first.
func (v *verb) options(ctx context.Context) []setting {
	deadline, ok := ctx.Deadline()
	if !ok {
		return v.settings.values
	}
	left := max(time.Until(deadline), time.Millisecond)
	if v.settings.timeout > 0 && v.settings.timeout < left {
		return v.settings.values
	}
	limited := &settings{values: append([]setting{}, v.settings.values...)}
	WithTimeout(left)(limited)
	return limited.values
}

// failed completes an error: what the call was about, the context's part in it, the words for a person.
func (v *verb) failed(ctx context.Context, err error) error {
	var made *Error
	if !errors.As(err, &made) {
		return err
	}
	made.Reference = v.reference
	if cause := v.client.causeOf(made); cause != nil {
		made.cause = cause
	}
	if made.Code == CodeCancelled || made.Code == CodeTimeout {
		made.cause = ctx.Err()
		// The library's clock may be ahead of the context's timer by a moment.
		if deadline, ok := ctx.Deadline(); ok && made.cause == nil && !time.Now().Before(deadline) {
			made.cause = context.DeadlineExceeded
		}
		if made.cause != nil {
			made.Message = made.cause.Error()
		}
		if errors.Is(made.cause, context.DeadlineExceeded) {
			made.Code = CodeTimeout
		}
	}
	return v.words(made)
}

// await returns once the operation has ended, in a goroutine that no thread is bound to.
func (v *verb) await(operation *C.cldoci_operation) {
	select {
	case descriptors <- struct{}{}:
		defer func() { <-descriptors }()
		if ended := openDescriptor(operation); ended != nil {
			defer ended.Close()
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
		syscall.Close(int(fd))
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
		Phase: Phase(p.phase), BytesDone: uint64(p.bytes_done), BytesTotal: uint64(p.bytes_total),
		EntriesDone: uint64(p.entries_done), EntriesTotal: uint64(p.entries_total),
	})
}
