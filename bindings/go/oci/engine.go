package oci

import (
	"crypto/sha256"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"weak"
)

// engine is the library's client: connections, tokens, what was learnt of each host. It is freed once no
// [Client] and no call uses it. (The key also keeps it out of the runtime's allocator of tiny objects, whose
// clean-ups may never run.)
type engine struct {
	native nativeClient
	key    engineKey
}

// engineKey tells the engines apart. It is a hash, as options hold secrets.
type engineKey [sha256.Size]byte

// engines holds those that are in use, without keeping them.
var engines = struct {
	sync.Mutex
	byKey map[engineKey]weak.Pointer[engine]
}{byKey: map[engineKey]weak.Pointer[engine]{}}

// keyOf covers what an engine depends on: its options, and the environment, which the library reads when a
// client is made.
func keyOf(values []setting) engineKey {
	hash := sha256.New()
	for _, value := range values {
		_, _ = fmt.Fprintf(hash, "%d %q %q %q\n", value.door, value.key, value.name, value.value())
	}
	environment := os.Environ()
	slices.Sort(environment)
	for _, variable := range environment {
		_, _ = fmt.Fprintf(hash, "%q\n", variable)
	}
	return engineKey(hash.Sum(nil))
}

// engineFor gives the engine of these options: the one that is in use, else a new one.
func engineFor(values []setting) (*engine, error) {
	key := keyOf(values)
	engines.Lock()
	defer engines.Unlock()
	if found := engines.byKey[key].Value(); found != nil {
		return found, nil
	}
	native, err := newNativeClient(values)
	if err != nil {
		return nil, err
	}
	made := &engine{native: native, key: key}
	runtime.AddCleanup(made, freeEngine, *made)
	engines.byKey[key] = weak.Make(made)
	return made, nil
}

func freeEngine(gone engine) {
	gone.native.free()
	engines.Lock()
	defer engines.Unlock()
	// Another one may have taken its place meanwhile.
	if engines.byKey[gone.key].Value() == nil {
		delete(engines.byKey, gone.key)
	}
}
