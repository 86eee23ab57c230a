//go:build cgo && linux

package oci

/*
#include <cldoci.h>
*/
import "C"

// OptionInfo describes one option of the library's table, which [WithOption] and [WithHostOption] reach.
type OptionInfo struct {
	Name    string // as the options take it
	Type    string // "bool", "int", "text", "path", "list", "choice", "secret" or "pairs"
	Scope   string // "client", "call", "both", or "host" for WithHostOption
	Default string // as text
	Values  string // of a choice and an int: what it may be
	Help    string // one line
}

// Options lists the options of the library that is loaded.
func Options() []OptionInfo {
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
