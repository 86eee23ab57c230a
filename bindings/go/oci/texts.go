//go:build cgo && linux

package oci

import (
	"fmt"
	"strings"
)

// pulling gives an error of a pull the words that cldctl shows.
func pulling(e *Error) *Error {
	ref := e.Reference
	if strings.HasPrefix(ref, layoutScheme) {
		return failedTo("pull")(e)
	}
	switch {
	case e.RegistryCode == "MANIFEST_UNKNOWN":
		e.text = fmt.Sprintf("artifact not found: %s does not exist or the tag is invalid", ref)
	case e.RegistryCode == "NAME_UNKNOWN":
		e.text = fmt.Sprintf("repository not found: %s does not exist in the registry", ref)
	case e.Code == CodeUnauthorized:
		e.text = fmt.Sprintf("authentication required: you may need to log in to access %s", ref)
	case e.Code == CodeDenied:
		e.text = fmt.Sprintf("access denied: you don't have permission to pull %s", ref)
	case e.Code == CodeNotFound:
		e.text = fmt.Sprintf("artifact not found: %s does not exist in the registry", ref)
	default:
		return failedTo("pull")(e)
	}
	return e
}

// failedTo gives an error the words "failed to VERB: …".
func failedTo(verb string) func(*Error) *Error {
	return func(e *Error) *Error {
		e.text = "failed to " + verb + ": " + e.Message
		return e
	}
}
