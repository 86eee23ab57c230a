//go:build cgo && linux && !cldoci_none

package oci

/*
#include <cldoci.h>
*/
import "C"

import "time"

// outcomeOf copies a result.
func outcomeOf(call action, result *C.cldoci_result) (*outcome, error) {
	made := &outcome{exists: C.cldoci_result_exists(result) == 1}
	made.Result = Result{
		Digest:           lent(func(n *C.size_t) *C.char { return C.cldoci_result_digest(result, n) }),
		MediaType:        lent(func(n *C.size_t) *C.char { return C.cldoci_result_media_type(result, n) }),
		Size:             int64(C.cldoci_result_size(result)),
		Unchanged:        C.cldoci_result_unchanged(result) == 1,
		LeftOutTotal:     int64(C.cldoci_result_left_out_total(result)),
		Warnings:         warningsOf(result),
		CredentialSource: lent(func(n *C.size_t) *C.char { return C.cldoci_result_credential_source(result, n) }),
	}
	for i := range C.cldoci_result_left_out_count(result) {
		made.LeftOut = append(made.LeftOut, LeftOut{
			Path:   lent(func(n *C.size_t) *C.char { return C.cldoci_result_left_out_path(result, i, n) }),
			Reason: lent(func(n *C.size_t) *C.char { return C.cldoci_result_left_out_reason(result, i, n) }),
		})
	}
	var counters C.cldoci_counters
	counters.struct_size = C.sizeof_cldoci_counters
	if C.cldoci_result_counters(result, &counters, nil) == C.CLDOCI_OK {
		made.Counters = Counters{
			Requests:      int64(counters.requests),
			BytesSent:     int64(counters.bytes_sent),
			BytesReceived: int64(counters.bytes_received),
			BlobsSkipped:  int64(counters.blobs_skipped),
			BlobsMounted:  int64(counters.blobs_mounted),
			BlobsUploaded: int64(counters.blobs_uploaded),
			Retries:       int64(counters.retries),
			Elapsed:       time.Duration(counters.elapsed_ms) * time.Millisecond,
		}
	}
	made.bytes = lentBytes(func(n *C.size_t) *C.uint8_t { return C.cldoci_result_bytes(result, n) })
	made.tags = make([]string, C.cldoci_result_tag_count(result))
	for i := range made.tags {
		made.tags[i] = lent(func(n *C.size_t) *C.char { return C.cldoci_result_tag(result, C.size_t(i), n) })
	}
	made.referrers = referrersOf(result)
	made.entries = entriesOf(result)
	switch call {
	case actionBuild, actionBuildAndPush, actionPull, actionInspect:
		var err error
		if made.artifact, err = artifactOf(result); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// referrersOf copies the list of a result.
func referrersOf(result *C.cldoci_result) []Descriptor {
	found := make([]Descriptor, C.cldoci_result_referrer_count(result))
	for i := range found {
		at := C.size_t(i)
		found[i] = Descriptor{
			MediaType:    lent(func(n *C.size_t) *C.char { return C.cldoci_result_referrer_media_type(result, at, n) }),
			Digest:       lent(func(n *C.size_t) *C.char { return C.cldoci_result_referrer_digest(result, at, n) }),
			Size:         int64(C.cldoci_result_referrer_size(result, at)),
			ArtifactType: lent(func(n *C.size_t) *C.char { return C.cldoci_result_referrer_artifact_type(result, at, n) }),
			Annotations: pairs(C.cldoci_result_referrer_annotation_count(result, at),
				func(k C.size_t, n *C.size_t) *C.char {
					return C.cldoci_result_referrer_annotation_key(result, at, k, n)
				},
				func(k C.size_t, n *C.size_t) *C.char {
					return C.cldoci_result_referrer_annotation_value(result, at, k, n)
				}),
		}
	}
	return found
}

// entriesOf copies what an index lists.
func entriesOf(result *C.cldoci_result) []Entry {
	found := make([]Entry, C.cldoci_result_entry_count(result))
	for i := range found {
		at := C.size_t(i)
		found[i] = Entry{
			Descriptor: Descriptor{
				MediaType:    lent(func(n *C.size_t) *C.char { return C.cldoci_result_entry_media_type(result, at, n) }),
				Digest:       lent(func(n *C.size_t) *C.char { return C.cldoci_result_entry_digest(result, at, n) }),
				Size:         int64(C.cldoci_result_entry_size(result, at)),
				ArtifactType: lent(func(n *C.size_t) *C.char { return C.cldoci_result_entry_artifact_type(result, at, n) }),
			},
			Platform: lent(func(n *C.size_t) *C.char { return C.cldoci_result_entry_platform(result, at, n) }),
		}
	}
	return found
}

func warningsOf(result *C.cldoci_result) []string {
	var warnings []string
	for i := range C.cldoci_result_warning_count(result) {
		warnings = append(warnings, lent(func(n *C.size_t) *C.char { return C.cldoci_result_warning(result, i, n) }))
	}
	return warnings
}
