package oci

import "time"

// Phase says what a call does at the moment.
type Phase int

// The phases. A later library may have more of them.
const (
	PhaseWaiting     Phase = 0 // not begun: it waits for its turn
	PhaseResolving   Phase = 1 // finds out what is to be done
	PhasePacking     Phase = 2 // packs a directory
	PhaseUploading   Phase = 3 // sends blobs
	PhaseDownloading Phase = 4 // receives blobs
	PhasePublishing  Phase = 5 // makes the result visible
	PhaseDone        Phase = 6 // ended
)

// String gives the phase in one word.
func (p Phase) String() string {
	switch p {
	case PhaseWaiting:
		return "waiting"
	case PhaseResolving:
		return "resolving"
	case PhasePacking:
		return "packing"
	case PhaseUploading:
		return "uploading"
	case PhaseDownloading:
		return "downloading"
	case PhasePublishing:
		return "publishing"
	case PhaseDone:
		return "done"
	}
	return "working"
}

// Progress says how far a call is. No number ever goes back, also when a transfer is tried again.
type Progress struct {
	Phase        Phase // what it does at the moment
	BytesDone    int64 // bytes that are done
	BytesTotal   int64 // as far as is known: it can grow; 0 = not known
	EntriesDone  int64 // files, directories and links
	EntriesTotal int64 // 0 = not known
}

// Result is what a call came to.
type Result struct {
	// Digest is the manifest's.
	Digest string
	// MediaType is the manifest's.
	MediaType string
	// Size is the manifest's, in bytes.
	Size int64
	// Artifact is what a pull pulled, without its layers' bytes: Layer.Data is nil. It is nil of other calls.
	Artifact *Artifact
	// Unchanged says that a pull's destination held this digest already.
	Unchanged bool
	// LeftOut holds what a build left out; the list is bounded.
	LeftOut []LeftOut
	// LeftOutTotal is how many paths a build left out.
	LeftOutTotal int64
	// Warnings holds one line each.
	Warnings []string
	// Counters says what the call cost.
	Counters Counters
	// CredentialSource says where the credential came from that was used; empty for none.
	CredentialSource string
}

// LeftOut is one path that a build left out.
type LeftOut struct {
	Path   string // relative to the directory
	Reason string // the rule
}

// Counters says what a call cost.
type Counters struct {
	Requests      int64         // HTTP requests that were sent
	BytesSent     int64         // bytes of request bodies
	BytesReceived int64         // bytes of response bodies
	BlobsSkipped  int64         // blobs that were at the target already
	BlobsMounted  int64         // blobs that the registry mounted from another repository
	BlobsUploaded int64         // blobs that were sent whole
	Retries       int64         // requests and transfers that were tried again
	Elapsed       time.Duration // from start to end
}
