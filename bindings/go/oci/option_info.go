package oci

// OptionInfo describes one option of the library's table, which [WithOption] and [WithHostOption] reach.
type OptionInfo struct {
	Name    string // as the options take it
	Type    string // "bool", "int", "text", "path", "list", "choice", "secret" or "pairs"
	Scope   string // "client", "call", "both", or "host" for WithHostOption
	Default string // as text
	Values  string // of a choice and an int: what it may be
	Help    string // one line
}

// Options lists the options of the library that is loaded; none where there is no library.
func Options() []OptionInfo { return listOptions() }

// Version gives the version of the library that is loaded; empty where there is none.
func Version() string { return version() }
