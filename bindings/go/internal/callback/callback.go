//go:build cgo && linux && !cldoci_none

// Package callback calls the C interface with progress callbacks into Go, where package oci asks instead: its tests
// prove that a host whose callbacks run on a runtime of its own is served.
package callback

/*
#cgo pkg-config: cldoci
#include <stdlib.h>
#include <cldoci.h>

// A handle of Go's is a small number: as a pointer it would be a bad one on a goroutine's stack.
extern int32_t goProgress(cldoci_progress *progress, uintptr_t handle);
extern void goFinished(uintptr_t handle);

static int32_t progress(const cldoci_progress *progress, void *user_data) {
	return goProgress((cldoci_progress *)progress, (uintptr_t)user_data);
}
static void finished(void *user_data) { goFinished((uintptr_t)user_data); }

static cldoci_status set_callback(cldoci_options *options, uintptr_t handle, cldoci_error **error) {
	return cldoci_options_set_progress_callback(options, progress, (void *)handle, finished, error);
}
*/
import "C"

import (
	"errors"
	"runtime/cgo"
	"unsafe"
)

// Watcher is told how a build goes, on the library's threads.
type Watcher interface {
	// Progress gives the phase and the bytes that are done; true cancels.
	Progress(phase int, bytesDone uint64) (cancel bool)
	// Finished is called once, when nothing calls Progress any more.
	Finished()
}

//export goProgress
func goProgress(progress *C.cldoci_progress, handle C.uintptr_t) C.int32_t {
	if cgo.Handle(handle).Value().(Watcher).Progress(int(progress.phase), uint64(progress.bytes_done)) {
		return 1
	}
	return 0
}

//export goFinished
func goFinished(of C.uintptr_t) {
	handle := cgo.Handle(of)
	watcher := handle.Value().(Watcher)
	handle.Delete()
	watcher.Finished()
}

// Build builds a directory and gives the status of the call.
func Build(directory, store string, watcher Watcher) (int, error) {
	var failed *C.cldoci_error
	var options, call *C.cldoci_options
	var client *C.cldoci_client
	defer func() {
		C.cldoci_error_free(failed)
		C.cldoci_options_free(call)
		C.cldoci_client_free(client)
		C.cldoci_options_free(options)
	}()
	text := func(text string) *C.char { return C.CString(text) }
	name, value, path, kind := text("store"), text(store), text(directory), text("component")
	defer func() {
		for _, text := range []*C.char{name, value, path, kind} {
			C.free(unsafe.Pointer(text))
		}
	}()
	status := C.cldoci_options_new(&options, &failed)
	if status == C.CLDOCI_OK {
		status = C.cldoci_options_set(options, name, value, &failed)
	}
	if status == C.CLDOCI_OK {
		status = C.cldoci_client_new(options, &client, &failed)
	}
	if status == C.CLDOCI_OK {
		status = C.cldoci_options_new(&call, &failed)
	}
	if status == C.CLDOCI_OK {
		status = C.set_callback(call, C.uintptr_t(cgo.NewHandle(watcher)), &failed)
	}
	if status == C.CLDOCI_OK {
		status = C.cldoci_build(client, path, kind, nil, 0, call, nil, &failed)
	}
	if status != C.CLDOCI_OK {
		return int(status), errors.New(C.GoString(C.cldoci_error_message(failed, nil)))
	}
	return 0, nil
}
