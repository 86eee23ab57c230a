//go:build cgo && linux

package oci

/*
#include <cldoci.h>

// Defined by Go, in exported.go. A handle of Go's is a small number and travels as one: as a pointer it would be a
// bad one on a goroutine's stack.
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
	"log/slog"
	"runtime/cgo"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Credential is what a registry is shown. The zero value is none.
type Credential struct {
	// Username goes with Password, and with IdentityToken at servers that know only basic authentication.
	Username string
	// Password may be an access token.
	Password string
	// IdentityToken is an OAuth2 refresh token; it comes before Password.
	IdentityToken string
	// RegistryToken is a bearer token that is sent as it is; it comes before the others.
	RegistryToken string
}

// String names the user and hides the secrets.
func (c Credential) String() string {
	if c == (Credential{}) {
		return "none"
	}
	return strconv.Quote(c.Username) + " and a secret"
}

// GoString is [Credential.String].
func (c Credential) GoString() string { return c.String() }

// CredentialFunc gives the credential for a repository of a registry; the zero [Credential] is none, and an error
// is that of the calls that wait for the answer. It gets no context, as one answer serves every call that waits
// for it, and it may be called by several goroutines at once.
type CredentialFunc func(registry, repository string) (Credential, error)

// WithCredentialFunc has a client ask a function once a registry has demanded a credential for a repository:
// after those that are given by options for the host, before docker's and podman's files and helpers, which are
// asked where it has none. What it gives is kept until the registry refuses it. Clients that are made with one
// value of this option share connections and tokens.
func WithCredentialFunc(ask CredentialFunc) Option {
	if ask == nil {
		return nil
	}
	return callback("credential_func", &asker{ask: ask}, func(options *C.cldoci_options, handle C.uintptr_t, object **C.cldoci_error) C.cldoci_status {
		return C.set_credential_callback(options, handle, object)
	})
}

// WithLogger has a logger told what calls do: requests at debug level, retries and the like above it. No line
// holds a secret. It belongs to a client or to a call; lines are left out when the logger is slow.
func WithLogger(logger *slog.Logger) Option {
	if logger == nil {
		return nil
	}
	level := C.int32_t(C.CLDOCI_LOG_ERROR)
	for number, of := range levels {
		if logger.Enabled(context.Background(), of) {
			level = max(level, number)
		}
	}
	return callback("logger", logger, func(options *C.cldoci_options, handle C.uintptr_t, object **C.cldoci_error) C.cldoci_status {
		return C.set_log_callback(options, level, handle, object)
	})
}

// levels are those of the library's log.
var levels = map[C.int32_t]slog.Level{
	C.CLDOCI_LOG_ERROR: slog.LevelError, C.CLDOCI_LOG_WARNING: slog.LevelWarn,
	C.CLDOCI_LOG_INFO: slog.LevelInfo, C.CLDOCI_LOG_DEBUG: slog.LevelDebug,
}

// callbacks counts them: functions can't be compared, so each is told from the others by its number.
var callbacks atomic.Uint64

// callback is an option that lends a Go value to the library until that has finished with it.
func callback(name string, value any, set func(*C.cldoci_options, C.uintptr_t, **C.cldoci_error) C.cldoci_status) Option {
	number := strconv.FormatUint(callbacks.Add(1), 10)
	return func(s *settings) {
		s.values = append(s.values, setting{door: ofFunction, name: name, value: number, lent: value, set: func(options *C.cldoci_options) error {
			var object *C.cldoci_error
			// The library calls on_finished, also when this fails.
			return failure(set(options, C.uintptr_t(cgo.NewHandle(value)), &object), &object)
		}})
	}
}

// asker is a credential function, and what it failed with last.
type asker struct {
	ask    CredentialFunc
	mutex  sync.Mutex
	failed error
}

// answer asks. A call that fails for it finds the error by its text, all that the library passes on.
func (a *asker) answer(registry, repository string) (Credential, error) {
	found, err := a.ask(registry, repository)
	if err != nil {
		a.mutex.Lock()
		defer a.mutex.Unlock()
		a.failed = err
	}
	return found, err
}

// causeIn gives the function's error that a message tells of; nil where it tells of none.
func (a *asker) causeIn(message string) error {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.failed != nil && strings.Contains(message, a.failed.Error()) {
		return a.failed
	}
	return nil
}

// causeOf gives the error of the client's own credential function behind a failure.
func (c *Client) causeOf(failed *Error) error {
	if c == nil || failed.Code != CodeCredentials {
		return nil
	}
	for _, value := range c.settings.values {
		if asked, ok := value.lent.(*asker); ok {
			if cause := asked.causeIn(failed.Message); cause != nil {
				return cause
			}
		}
	}
	return nil
}
