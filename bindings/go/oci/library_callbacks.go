//go:build cgo && linux && !cldoci_none

package oci

/*
#include <cldoci.h>

// Defined by Go, in library_exported.go. A handle of Go's is a small number and travels as one: as a pointer it would
// be a bad one on a goroutine's stack.
extern int32_t cldociGoCredential(char *registry, char *repository, cldoci_credential *credential, uintptr_t handle);
extern void cldociGoLog(int32_t level, char *line, uintptr_t handle);
extern void cldociGoFinished(uintptr_t handle);

static int32_t on_credential(const char *registry, const char *repository, cldoci_credential *credential, void *data) {
	return cldociGoCredential((char *)registry, (char *)repository, credential, (uintptr_t)data);
}
static void on_log(int32_t level, const char *line, void *data) {
	cldociGoLog(level, (char *)line, (uintptr_t)data);
}
static void on_finished(void *data) {
	cldociGoFinished((uintptr_t)data);
}
static cldoci_status set_credential_callback(cldoci_options *options, uintptr_t handle, cldoci_error **error) {
	return cldoci_options_set_credential_callback(options, on_credential, (void *)handle, on_finished, error);
}
static cldoci_status set_log_callback(cldoci_options *options, int32_t level, uintptr_t handle, cldoci_error **error) {
	return cldoci_options_set_log_callback(options, level, on_log, (void *)handle, on_finished, error);
}
*/
import "C"

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/cgo"
)

// levels are those of the library's log.
var levels = map[C.int32_t]slog.Level{
	C.CLDOCI_LOG_ERROR: slog.LevelError, C.CLDOCI_LOG_WARNING: slog.LevelWarn,
	C.CLDOCI_LOG_INFO: slog.LevelInfo, C.CLDOCI_LOG_DEBUG: slog.LevelDebug,
}

// putFunction lends a setting's Go value to the library, which calls on_finished also where this fails.
func (s setting) putFunction(options *C.cldoci_options) error {
	handle := C.uintptr_t(cgo.NewHandle(s.lent))
	var object *C.cldoci_error
	switch lent := s.lent.(type) {
	case *asker:
		return failure(C.set_credential_callback(options, handle, &object), &object)
	case *slog.Logger:
		level := C.int32_t(C.CLDOCI_LOG_ERROR)
		for number, of := range levels {
			if lent.Enabled(context.Background(), of) {
				level = max(level, number)
			}
		}
		return failure(C.set_log_callback(options, level, handle, &object), &object)
	}
	cgo.Handle(handle).Delete()
	return &Error{Code: CodeInternal, Message: fmt.Sprintf("option '%s' lends a %T", s.name, s.lent)}
}
