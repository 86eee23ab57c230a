package oci

import (
	"encoding/json"
	"fmt"
	"syscall"
	"time"
)

// Code says what went wrong, as far as a caller may want to decide on it. The numbers are those of the C
// interface and stable.
type Code int32

// What can go wrong.
const (
	CodeArgument     Code = -1  // an argument, an option or a reference is invalid
	CodeHandle       Code = -2  // a bug in this package: a handle was used after it was freed
	CodeForked       Code = -3  // the process was forked and runs on without exec
	CodeReentrant    Code = -4  // a callback made a call that would wait for that callback
	CodePanic        Code = -5  // a bug in the library, caught before it could do harm
	CodeInternal     Code = -6  // a bug in the library
	CodeCancelled    Code = -7  // the context was cancelled
	CodeTimeout      Code = -8  // a deadline passed, or the other side was slower than the minimum rate
	CodeUnsupported  Code = -9  // the system, the file system or the registry can't do it
	CodeIO           Code = -20 // a system call failed; Errno says why
	CodeExists       Code = -21 // the destination exists and is not empty
	CodeBusy         Code = -22 // another process holds a lock that is needed
	CodeChanged      Code = -23 // a source file changed while it was read
	CodeUnsafe       Code = -24 // an entry of an archive or of a directory is refused
	CodeLimit        Code = -25 // a limit was reached; the message names it and the option that raises it
	CodeNetwork      Code = -40 // a connection failed, or a name was not found
	CodeTLS          Code = -41 // TLS failed: the certificate or the handshake
	CodeProtocol     Code = -42 // the server's answer breaks the protocol
	CodeNotFound     Code = -43 // the registry or the layout does not have it
	CodeUnauthorized Code = -44 // the registry wants other credentials
	CodeDenied       Code = -45 // the credentials don't permit this access
	CodeCredentials  Code = -46 // a credential helper or a credential file can't be used
	CodePolicy       Code = -47 // refused for safety: a redirect, a token server, a downgrade
	CodeRateLimited  Code = -48 // the registry asks to slow down; RetryAfter says how long to wait
	CodeDigest       Code = -49 // the content does not match its digest
	CodeSize         Code = -50 // the content does not match its size
)

// codeNames holds the words of the sentinels' texts.
var codeNames = map[Code]string{
	CodeArgument: "invalid argument", CodeHandle: "invalid handle", CodeForked: "used after fork",
	CodeReentrant: "call from a callback", CodePanic: "panic", CodeInternal: "internal error",
	CodeCancelled: "cancelled", CodeTimeout: "timed out", CodeUnsupported: "unsupported", CodeIO: "input/output error",
	CodeExists: "destination exists", CodeBusy: "busy", CodeChanged: "source changed", CodeUnsafe: "unsafe entry",
	CodeLimit: "limit reached", CodeNetwork: "network error", CodeTLS: "TLS error", CodeProtocol: "protocol error",
	CodeNotFound: "not found", CodeUnauthorized: "unauthorized", CodeDenied: "denied",
	CodeCredentials: "credentials unusable", CodePolicy: "refused by policy", CodeRateLimited: "rate limited",
	CodeDigest: "digest mismatch", CodeSize: "size mismatch",
}

// String gives the code in words.
func (c Code) String() string {
	if name, ok := codeNames[c]; ok {
		return name
	}
	return fmt.Sprintf("code %d", int32(c))
}

// sentinel is an error that errors.Is compares by code alone.
type sentinel Code

// Error gives the code in words.
func (s sentinel) Error() string { return "oci: " + Code(s).String() }

// What errors.Is tells apart.
var (
	ErrArgument     error = sentinel(CodeArgument)
	ErrHandle       error = sentinel(CodeHandle)
	ErrForked       error = sentinel(CodeForked)
	ErrReentrant    error = sentinel(CodeReentrant)
	ErrPanic        error = sentinel(CodePanic)
	ErrInternal     error = sentinel(CodeInternal)
	ErrCancelled    error = sentinel(CodeCancelled)
	ErrTimeout      error = sentinel(CodeTimeout)
	ErrUnsupported  error = sentinel(CodeUnsupported)
	ErrIO           error = sentinel(CodeIO)
	ErrExists       error = sentinel(CodeExists)
	ErrBusy         error = sentinel(CodeBusy)
	ErrChanged      error = sentinel(CodeChanged)
	ErrUnsafe       error = sentinel(CodeUnsafe)
	ErrLimit        error = sentinel(CodeLimit)
	ErrNetwork      error = sentinel(CodeNetwork)
	ErrTLS          error = sentinel(CodeTLS)
	ErrProtocol     error = sentinel(CodeProtocol)
	ErrNotFound     error = sentinel(CodeNotFound)
	ErrUnauthorized error = sentinel(CodeUnauthorized)
	ErrDenied       error = sentinel(CodeDenied)
	ErrCredentials  error = sentinel(CodeCredentials)
	ErrPolicy       error = sentinel(CodePolicy)
	ErrRateLimited  error = sentinel(CodeRateLimited)
	ErrDigest       error = sentinel(CodeDigest)
	ErrSize         error = sentinel(CodeSize)
)

// RegistryError is one of the errors that a registry listed in an answer. Its texts are the registry's own, with control
// characters escaped.
type RegistryError struct {
	Code    string          // such as "MANIFEST_UNKNOWN"; empty where it has none
	Message string          // for people; empty where it has none
	Detail  json.RawMessage // of any type; nil where it has none
}

// Error is what every method returns when it fails.
type Error struct {
	// Code says what went wrong.
	Code Code
	// Message is one line: what failed, on what, and where it is known the cure.
	Message string
	// Reference is the reference that the call was about; empty where there was none.
	Reference string
	// HTTPStatus is the status of the answer that was the reason; 0 where there was none.
	HTTPStatus int
	// RegistryCode is the registry's own code, such as "MANIFEST_UNKNOWN".
	RegistryCode string
	// RegistryErrors holds all that the registry listed, the first of which has the RegistryCode.
	RegistryErrors []RegistryError
	// Errno is the system's error number; 0 where there was none.
	Errno syscall.Errno
	// Retryable says that the same call may succeed later without a change.
	Retryable bool
	// RetryAfter is how long the registry asked to wait; 0 where it did not say.
	RetryAfter time.Duration

	// text is what Error gives: today's words for a person.
	text string
	// causes are the context's error and its cause, a credential function's error, or that of a config that can't be
	// marshalled.
	causes []error
}

// Error gives one line for a person.
func (e *Error) Error() string {
	if e.text != "" {
		return e.text
	}
	return e.Message
}

// Is makes errors.Is compare with the sentinels of this package.
func (e *Error) Is(target error) bool {
	s, ok := target.(sentinel)
	return ok && Code(s) == e.Code
}

// Unwrap gives the context's error and its cause, or the credential function's error, and the system's error number,
// where there were any.
func (e *Error) Unwrap() []error {
	if e.Errno == 0 {
		return e.causes
	}
	return append(e.causes[:len(e.causes):len(e.causes)], e.Errno)
}

// Timeout says whether a deadline passed, as net.Error has it.
func (e *Error) Timeout() bool { return e.Code == CodeTimeout }
