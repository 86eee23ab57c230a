//go:build cgo && linux && !cldoci_none

package oci

/*
#include <cldoci.h>
*/
import "C"

import (
	"context"
	"log/slog"
	"runtime/cgo"
)

// What the library calls, on threads of its own that only run callbacks.

//export cldociGoCredential
func cldociGoCredential(registry, repository *C.char, credential *C.cldoci_credential, handle C.uintptr_t) C.int32_t {
	asked := cgo.Handle(handle).Value().(*asker)
	request := CredentialRequest{Registry: C.GoString(registry), Repository: C.GoString(repository)}
	if asked.byAction {
		request.Action = Action(C.cldoci_credential_action(credential))
	}
	found, err := asked.answer(request)
	if err == nil && found == (Credential{}) {
		return 0
	}
	if err == nil {
		err = found.put(credential)
	}
	if err != nil {
		text := C.CString(err.Error())
		defer freeString(text)
		C.cldoci_credential_set_failure(credential, text, nil)
		return -1
	}
	return 1
}

// put fills a credential in.
func (c Credential) put(credential *C.cldoci_credential) error {
	username, err := newString("the user name", c.Username)
	if err != nil {
		return err
	}
	defer freeString(username)
	text := c.Password
	set := func(secret *C.char, object **C.cldoci_error) C.cldoci_status {
		return C.cldoci_credential_set_basic(credential, username, secret, object)
	}
	switch {
	case c.RegistryToken != "":
		text = c.RegistryToken
		set = func(secret *C.char, object **C.cldoci_error) C.cldoci_status {
			return C.cldoci_credential_set_registry_token(credential, secret, object)
		}
	case c.IdentityToken != "":
		text = c.IdentityToken
		set = func(secret *C.char, object **C.cldoci_error) C.cldoci_status {
			return C.cldoci_credential_set_identity_token(credential, username, secret, object)
		}
	}
	secret, err := newString("the secret", text)
	if err != nil {
		return err
	}
	defer freeString(secret)
	var object *C.cldoci_error
	return failure(set(secret, &object), &object)
}

//export cldociGoLog
func cldociGoLog(level C.int32_t, line *C.char, handle C.uintptr_t) {
	logger := cgo.Handle(handle).Value().(*slog.Logger)
	of, known := levels[level]
	if !known {
		of = slog.LevelDebug
	}
	logger.Log(context.Background(), of, C.GoString(line))
}

//export cldociGoFinished
func cldociGoFinished(handle C.uintptr_t) { cgo.Handle(handle).Delete() }
