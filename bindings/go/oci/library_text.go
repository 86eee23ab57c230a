//go:build cgo && linux && !cldoci_none

package oci

/*
#include <stdlib.h>
#include <string.h>
#include <cldoci.h>
*/
import "C"

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// newString copies a text for a call into the library. A NUL in it would cut it short unseen, so it is refused.
func newString(what, text string) (*C.char, error) {
	if at := strings.IndexByte(text, 0); at >= 0 {
		return nil, &Error{Code: CodeArgument, Message: fmt.Sprintf("%s has a NUL at byte %d", what, at)}
	}
	return C.CString(text), nil
}

// freeString wipes and frees a text, which may have been a secret.
func freeString(text *C.char) {
	clear(unsafe.Slice((*byte)(unsafe.Pointer(text)), C.strlen(text)))
	C.free(unsafe.Pointer(text))
}

// lent copies a text that the library lends.
func lent(read func(length *C.size_t) *C.char) string {
	var length C.size_t
	text := read(&length)
	if text == nil {
		return ""
	}
	return strings.Clone(unsafe.String((*byte)(unsafe.Pointer(text)), int(length)))
}

// lentBytes copies bytes that the library lends; nil where there are none.
func lentBytes(read func(size *C.size_t) *C.uint8_t) []byte {
	var size C.size_t
	bytes := read(&size)
	if bytes == nil {
		return nil
	}
	return append(make([]byte, 0, int(size)), unsafe.Slice((*byte)(unsafe.Pointer(bytes)), int(size))...)
}

// copied copies bytes for a call into the library; the caller frees them.
func copied(bytes []byte) (*C.uint8_t, C.size_t) {
	return (*C.uint8_t)(C.CBytes(bytes)), C.size_t(len(bytes))
}

// bytesPointer gives what a call takes for bytes; the library copies them before it returns.
func bytesPointer(bytes []byte) (*C.uint8_t, C.size_t) {
	return (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(bytes))), C.size_t(len(bytes))
}

// failure turns a status and the error object of a call into an error, and frees the object; nil for success.
// It takes the object's place, as Go may read an argument before the call beside it that sets it.
func failure(status C.cldoci_status, place **C.cldoci_error) error {
	if status == C.CLDOCI_OK {
		return nil
	}
	object := *place
	defer C.cldoci_error_free(object)
	made := &Error{Code: Code(status)}
	if object == nil {
		made.Message = made.Code.String()
		return made
	}
	made.Message = lent(func(n *C.size_t) *C.char { return C.cldoci_error_message(object, n) })
	made.RegistryCode = lent(func(n *C.size_t) *C.char { return C.cldoci_error_registry_code(object, n) })
	for i := range C.cldoci_error_registry_error_count(object) {
		made.RegistryErrors = append(made.RegistryErrors, RegistryError{
			Code:    lent(func(n *C.size_t) *C.char { return C.cldoci_error_registry_error_code(object, i, n) }),
			Message: lent(func(n *C.size_t) *C.char { return C.cldoci_error_registry_error_message(object, i, n) }),
		})
		if detail := lent(func(n *C.size_t) *C.char { return C.cldoci_error_registry_error_detail(object, i, n) }); detail != "" {
			made.RegistryErrors[i].Detail = json.RawMessage(detail)
		}
	}
	made.HTTPStatus = int(C.cldoci_error_http_status(object))
	made.Errno = syscall.Errno(C.cldoci_error_errno(object))
	made.Retryable = C.cldoci_error_retryable(object) == 1
	if wait := C.cldoci_error_retry_after_ms(object); wait > 0 {
		made.RetryAfter = time.Duration(wait) * time.Millisecond
	}
	return made
}

// newOptions makes the library's options, nil for none; the caller frees them.
func newOptions(values []setting) (*C.cldoci_options, error) {
	if len(values) == 0 {
		return nil, nil
	}
	var options *C.cldoci_options
	var object *C.cldoci_error
	if err := failure(C.cldoci_options_new(&options, &object), &object); err != nil {
		return nil, err
	}
	for _, value := range values {
		if err := value.put(options); err != nil {
			C.cldoci_options_free(options)
			return nil, err
		}
	}
	return options, nil
}

func (s setting) put(options *C.cldoci_options) error {
	if s.door == ofFunction {
		return s.putFunction(options)
	}
	name, err := newString("the option's name", s.name)
	if err != nil {
		return err
	}
	defer freeString(name)
	value, err := newString("option '"+s.name+"'", s.value())
	if err != nil {
		return err
	}
	defer freeString(value)
	var object *C.cldoci_error
	switch s.door {
	case ofHost:
		host, err := newString("the host", s.key)
		if err != nil {
			return err
		}
		defer freeString(host)
		return failure(C.cldoci_options_set_host(options, host, name, value, &object), &object)
	case ofPair:
		key, err := newString("the key of option '"+s.name+"'", s.key)
		if err != nil {
			return err
		}
		defer freeString(key)
		return failure(C.cldoci_options_set_pair(options, name, key, value, &object), &object)
	}
	return failure(C.cldoci_options_set(options, name, value, &object), &object)
}

// listOptions gives the library's table of options.
func listOptions() []OptionInfo {
	made := make([]OptionInfo, C.cldoci_option_count())
	for i := range made {
		at := C.size_t(i)
		made[i] = OptionInfo{
			Name:    C.GoString(C.cldoci_option_name(at)),
			Type:    C.GoString(C.cldoci_option_type(at)),
			Scope:   C.GoString(C.cldoci_option_scope(at)),
			Default: C.GoString(C.cldoci_option_default(at)),
			Values:  C.GoString(C.cldoci_option_values(at)),
			Help:    C.GoString(C.cldoci_option_help(at)),
		}
	}
	return made
}

func version() string { return C.GoString(C.cldoci_version_string()) }

// liveHandles counts what the library holds for this process.
func liveHandles() uint64 { return uint64(C.cldoci_debug_live_handles(C.CLDOCI_HANDLE_ANY)) }
