package oci

import (
	"context"
	"fmt"
	"log/slog"
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

// Format prints [Credential.String], whatever the verb.
func (c Credential) Format(out fmt.State, _ rune) { _, _ = out.Write([]byte(c.String())) }

// CredentialFunc gives the credential for a repository of a registry; the zero [Credential] is none, and an error
// is that of the calls that wait for the answer. It may be called by several goroutines at once.
type CredentialFunc func(registry, repository string) (Credential, error)

// CredentialContextFunc is a [CredentialFunc] that hears when nobody waits any more. One answer serves every call
// that waits for it, so its context is no call's own: it ends once every call that was under way, of clients made
// with this option, has returned or has been cancelled.
type CredentialContextFunc func(ctx context.Context, registry, repository string) (Credential, error)

// Action says what a credential is for. A later one includes those before.
type Action int32

// What a credential can be for. A later library may know more.
const (
	ActionIdentify Action = 0 // to be known to the registry, and nothing of a repository
	ActionPull     Action = 1 // to read a repository
	ActionPush     Action = 2 // to write to it
	ActionDelete   Action = 3 // to delete from it
)

// String gives the action in one word.
func (a Action) String() string {
	switch a {
	case ActionIdentify:
		return "identify"
	case ActionPull:
		return "pull"
	case ActionPush:
		return "push"
	case ActionDelete:
		return "delete"
	}
	return "action " + strconv.Itoa(int(a))
}

// CredentialRequest is what a [CredentialRequestFunc] is asked.
type CredentialRequest struct {
	Registry   string // as references have it
	Repository string // of the registry
	Action     Action // what the credential is for
}

// CredentialRequestFunc is a [CredentialContextFunc] that is told what the credential is for, and is asked once for
// each action.
type CredentialRequestFunc func(ctx context.Context, request CredentialRequest) (Credential, error)

// WithCredentialFunc has a client ask a function once a registry has demanded a credential for a repository:
// after those that are given by options for the host, before docker's and podman's files and helpers, which are
// asked where it has none. What it gives is kept until the registry refuses it. Clients that are made with one
// value of this option share connections and tokens.
func WithCredentialFunc(ask CredentialFunc) Option {
	if ask == nil {
		return nil
	}
	return WithCredentialContextFunc(func(_ context.Context, registry, repository string) (Credential, error) {
		return ask(registry, repository)
	})
}

// WithCredentialContextFunc is [WithCredentialFunc] for a function that takes a context, for one that prompts.
func WithCredentialContextFunc(ask CredentialContextFunc) Option {
	if ask == nil {
		return nil
	}
	return callback("credential_func", &asker{ask: func(ctx context.Context, request CredentialRequest) (Credential, error) {
		return ask(ctx, request.Registry, request.Repository)
	}})
}

// WithCredentialRequestFunc is [WithCredentialFunc] for a function whose credentials differ by what they are for.
func WithCredentialRequestFunc(ask CredentialRequestFunc) Option {
	if ask == nil {
		return nil
	}
	return callback("credential_func", &asker{ask: ask, byAction: true})
}

// WithLogger has a logger told what calls do: requests at debug level, retries and the like above it. No line
// holds a secret. It belongs to a client or to a call; lines are left out when the logger is slow.
func WithLogger(logger *slog.Logger) Option {
	if logger == nil {
		return nil
	}
	return callback("logger", logger)
}

// callbacks counts them: functions can't be compared, so each is told from the others by its number.
var callbacks atomic.Uint64

// callback is an option that lends a Go value to the library until that has finished with it.
func callback(name string, value any) Option {
	number := strconv.FormatUint(callbacks.Add(1), 10)
	return func(s *settings) {
		s.values = append(s.values, setting{door: ofFunction, name: name, value: hide(number), lent: value})
	}
}

// asker is a credential function, what it failed with last, and who may wait for it.
type asker struct {
	ask      CredentialRequestFunc
	byAction bool // it wants to know the action
	mutex    sync.Mutex
	failed   error
	calls    int                        // under way, and not cancelled
	asked    map[int]context.CancelFunc // the questions that are open
	next     int
}

// answer asks. A call that fails for it finds the error by its text, all that the library passes on.
func (a *asker) answer(request CredentialRequest) (Credential, error) {
	ctx, done := a.open()
	defer done()
	found, err := a.ask(ctx, request)
	if err != nil {
		a.mutex.Lock()
		defer a.mutex.Unlock()
		a.failed = err
	}
	return found, err
}

// open gives the context of a question, and what closes it.
func (a *asker) open() (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.calls == 0 {
		cancel()
		return ctx, cancel
	}
	if a.asked == nil {
		a.asked = map[int]context.CancelFunc{}
	}
	number := a.next
	a.next++
	a.asked[number] = cancel
	return ctx, func() {
		a.mutex.Lock()
		defer a.mutex.Unlock()
		delete(a.asked, number)
		cancel()
	}
}

// enter counts a call that may wait for an answer, until it has returned or its context has ended.
func (a *asker) enter(ctx context.Context) (leave func()) {
	a.mutex.Lock()
	a.calls++
	a.mutex.Unlock()
	var once sync.Once
	left := func() {
		once.Do(func() {
			a.mutex.Lock()
			defer a.mutex.Unlock()
			if a.calls--; a.calls == 0 {
				for _, cancel := range a.asked {
					cancel()
				}
			}
		})
	}
	stop := context.AfterFunc(ctx, left)
	return func() { stop(); left() }
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

// askers gives the client's own credential functions.
func (c *Client) askers() (found []*asker) {
	if c == nil {
		return nil
	}
	for _, value := range c.settings.values {
		if asked, ok := value.lent.(*asker); ok {
			found = append(found, asked)
		}
	}
	return found
}

// asking counts a call for the client's credential functions until the function that it gives is called.
func (c *Client) asking(ctx context.Context) (leave func()) {
	var all []func()
	for _, asked := range c.askers() {
		all = append(all, asked.enter(ctx))
	}
	return func() {
		for _, leave := range all {
			leave()
		}
	}
}

// causeOf gives the error of the client's own credential function behind a failure.
func (c *Client) causeOf(failed *Error) error {
	if failed.Code != CodeCredentials {
		return nil
	}
	for _, asked := range c.askers() {
		if cause := asked.causeIn(failed.Message); cause != nil {
			return cause
		}
	}
	return nil
}
