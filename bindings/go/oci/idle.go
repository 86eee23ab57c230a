package oci

import "context"

// WaitIdle waits until the library has nothing to do: no call goes on, also none whose context ended, and what they
// made for the time being is removed. Call it before the program ends, so that a pull that was cancelled leaves nothing
// beside its destination. It fails with the context's error where that ends first. A [Client] that does nothing keeps it
// from nothing.
func WaitIdle(ctx context.Context) error { return waitIdle(ctx) }
