package oci

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Option changes what a client or one call does. The options of a client go to [New] or [NewClient]; the methods
// that take options take those of one call. An option that is unknown, has a bad value, was given to the wrong of
// the two, or means nothing to the method that it was given to is an error, of the call or of the client's first.
//
// What has no function of its own here is reached by its name in the library's table: [WithOption], [Options].
type Option func(*settings)

// settings is what options come to: the library's by name, and those of this package.
type settings struct {
	values      []setting
	timeout     time.Duration
	progress    func(Progress)
	warning     func(string)
	result      *Result
	withoutData bool
}

// setting is one option of the library; key is the host of ofHost and the key of ofPair.
type setting struct {
	door      door
	key, name string
	value     hidden
	lent      any // of ofFunction: the Go value that the library calls
}

// hidden is a text that nothing prints, however it goes through a structure.
type hidden func() string

func hide(text string) hidden { return func() string { return text } }

// door says which of the library's setters takes a setting.
type door uint8

const (
	ofAll door = iota
	ofHost
	ofPair
	ofFunction
)

func (s *settings) set(name, value string) {
	s.values = append(s.values, setting{door: ofAll, name: name, value: hide(value)})
}

// preset sets an option that those of the caller beat.
func (s *settings) preset(name, value string) {
	s.values = append([]setting{{name: name, value: hide(value)}}, s.values...)
}

// with gives a copy that options are applied to.
func (s *settings) with(options []Option) *settings {
	made := *s
	made.values = nil
	for _, option := range options {
		if option != nil {
			option(&made)
		}
	}
	return &made
}

// refusedByClient says which option belongs to a call alone. (The library knows of its own.)
func (s *settings) refusedByClient() error {
	if s.result != nil {
		return &Error{Code: CodeArgument, Message: "WithResult belongs to a call and was given to a client"}
	}
	return nil
}

// refusedBy says which option of a call means nothing to it.
func (s *settings) refusedBy(call action) error {
	if s.withoutData && call != actionBuild {
		return &Error{Code: CodeArgument, Message: fmt.Sprintf("WithoutLayerData means nothing to %s", call)}
	}
	for _, value := range s.values {
		if of := verbOf(value.name); value.door != ofHost && of != "" && !slices.Contains(callsOf[of], call) {
			return &Error{Code: CodeArgument, Message: fmt.Sprintf("option '%s' belongs to %s and means nothing to %s", value.name, of, call)}
		}
	}
	return nil
}

// callsOf holds the calls that take the options of a verb of the library's table.
var callsOf = map[string][]action{
	"build":     {actionBuild, actionBuildAndPush},
	"push":      {actionPush, actionBuildAndPush, actionAttach},
	"pull":      {actionPull},
	"copy":      {actionCopy},
	"referrers": {actionReferrers},
}

// verbOf gives the verb that an option belongs to, with which the library's line on it begins; empty for all.
func verbOf(name string) string {
	if verb, _, found := strings.Cut(optionHelp()[name], ": "); found && callsOf[verb] != nil {
		return verb
	}
	return ""
}

var optionHelp = sync.OnceValue(func() map[string]string {
	help := map[string]string{}
	for _, option := range Options() {
		help[option.Name] = option.Help
	}
	return help
})

// WithOption sets an option of the library by its name: see cldoci.h, or `cldoci options`.
func WithOption(name, value string) Option {
	return func(s *settings) {
		if name == "timeout_ms" {
			if ms, err := strconv.ParseInt(value, 10, 64); err == nil {
				s.timeout = time.Duration(ms) * time.Millisecond
			}
		}
		s.set(name, value)
	}
}

// WithHostOption sets an option of one host, such as "header" or "insecure". The host is written as in a
// reference: "ghcr.io", "localhost:5000".
func WithHostOption(host, name, value string) Option {
	return func(s *settings) {
		s.values = append(s.values, setting{door: ofHost, key: host, name: name, value: hide(value)})
	}
}

func pair(name, key, value string) Option {
	return func(s *settings) {
		s.values = append(s.values, setting{door: ofPair, key: key, name: name, value: hide(value)})
	}
}

func boolean(name string) Option { return WithOption(name, "true") }

// WithStore names the directory of the store, where builds are spooled and interrupted transfers are kept.
func WithStore(directory string) Option { return WithOption("store", directory) }

// WithoutStore keeps nothing between calls.
func WithoutStore() Option { return WithOption("store", "off") }

// WithCache keeps pulled blobs in the store and takes them from it.
func WithCache() Option { return boolean("cache") }

// WithCredentials gives the user name and password for a host; they win over what is stored.
func WithCredentials(host, username, password string) Option {
	return func(s *settings) {
		WithHostOption(host, "username", username)(s)
		WithHostOption(host, "password", password)(s)
	}
}

// WithIdentityToken gives the OAuth2 refresh token for a host.
func WithIdentityToken(host, token string) Option {
	return WithHostOption(host, "identity_token", token)
}

// WithRegistryToken gives a bearer token that is sent to the host as it is.
func WithRegistryToken(host, token string) Option {
	return WithHostOption(host, "registry_token", token)
}

// WithAnonymous uses no credentials at all.
func WithAnonymous() Option { return WithOption("credentials", "anonymous") }

// WithExplicitCredentials uses only the credentials given by options, and no file or helper.
func WithExplicitCredentials() Option { return WithOption("credentials", "explicit") }

// WithTimeout gives every call a deadline; that of the context counts too, whichever comes first.
func WithTimeout(timeout time.Duration) Option {
	return WithOption("timeout_ms", strconv.FormatInt(milliseconds(timeout), 10))
}

// milliseconds rounds up, so that a time-out is never taken for none.
func milliseconds(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

// WithParallel sets how many blobs one call transfers at once.
func WithParallel(blobs int) Option { return WithOption("parallel", strconv.Itoa(blobs)) }

// WithRetries sets how often one request is tried again.
func WithRetries(retries int) Option { return WithOption("retries", strconv.Itoa(retries)) }

// WithUserAgent sets the User-Agent header.
func WithUserAgent(agent string) Option { return WithOption("user_agent", agent) }

// WithProxy sets the proxy's URL; "off" uses none. By default the environment names it.
func WithProxy(url string) Option { return WithOption("proxy", url) }

// WithCAFile trusts the certificate authorities of a PEM file beside the system's.
func WithCAFile(path string) Option { return WithOption("ca_file", path) }

// WithCADir trusts the certificate authorities of a directory's PEM files (*.crt, *.pem) beside the system's.
func WithCADir(directory string) Option { return WithOption("ca_dir", directory) }

// WithCertsDirs takes a host's authorities (*.crt) and client certificates (*.cert with *.key) from a directory named
// HOST or HOST:PORT in the first of these that has it; "default" stands for docker's and podman's places.
func WithCertsDirs(directories ...string) Option {
	return WithOption("certs_dirs", strings.Join(directories, ","))
}

// WithRegistriesConf reads repositories at mirrors or elsewhere, or refuses them, as a file in the form of containers'
// registries.conf says; "default" stands for podman's.
func WithRegistriesConf(path string) Option { return WithOption("registries_conf", path) }

// WithClientCertificate shows a host a certificate. The key may be in the same file; its path is empty then.
func WithClientCertificate(host, certificate, key string) Option {
	return func(s *settings) {
		WithHostOption(host, "client_cert", certificate)(s)
		WithHostOption(host, "client_key", key)(s)
	}
}

// WithInsecure does not verify a host's certificate.
func WithInsecure(host string) Option { return WithHostOption(host, "insecure", "true") }

// WithHeader adds a header to every request to a host.
func WithHeader(host, name, value string) Option {
	return WithHostOption(host, "header", name+"="+value)
}

// WithTokenHosts names the only other hosts that may issue tokens. By default any public https host may.
func WithTokenHosts(hosts ...string) Option {
	return WithOption("token_hosts", strings.Join(hosts, ","))
}

// WithMirrors names mirrors to read from before a registry, in this order: HOST[:PORT][/PREFIX], with ?ns at the end
// of one that must be told the registry's name.
func WithMirrors(host string, mirrors ...string) Option {
	return WithHostOption(host, "mirrors", strings.Join(mirrors, ","))
}

// WithDownloadHosts names storage that a registry may redirect blob downloads to even if it has a private address or
// uses plain http.
func WithDownloadHosts(hosts ...string) Option {
	return WithOption("download_hosts", strings.Join(hosts, ","))
}

// WithUploadHosts names other hosts that uploads may be sent to.
func WithUploadHosts(hosts ...string) Option {
	return WithOption("upload_hosts", strings.Join(hosts, ","))
}

// WithPlainHTTP uses plain HTTP for these hosts ("registry.local", "10.0.0.5:5000"). Loopback does not need it.
func WithPlainHTTP(hosts ...string) Option {
	return WithOption("plain_http_hosts", strings.Join(hosts, ","))
}

// Links says what a build does with symbolic links that leave the tree or dangle.
type Links string

// What can be done with such links.
const (
	LinksSkip   Links = "skip"   // leave them out with a warning, the default here
	LinksError  Links = "error"  // fail and name them
	LinksFollow Links = "follow" // put in what they point at
)

// WithLinks says what a build does with symbolic links that leave the tree or dangle.
func WithLinks(links Links) Option { return WithOption("links", string(links)) }

// Profile says which entries a build leaves out before .cldignore is applied.
type Profile string

// The profiles.
const (
	ProfileKind   Profile = "kind"   // as the artifact's type has it, the default
	ProfileCldctl Profile = "cldctl" // what cldctl leaves out: dot files, node_modules, dist, build and so on
	ProfileVCS    Profile = "vcs"    // .git, .hg and .svn alone
	ProfileNone   Profile = "none"   // nothing
)

// WithProfile says which entries a build leaves out before .cldignore is applied.
func WithProfile(profile Profile) Option { return WithOption("profile", string(profile)) }

// WithAnnotation adds an annotation to the manifest of one build.
func WithAnnotation(key, value string) Option { return pair("annotation", key, value) }

// WithLayerAnnotation adds an annotation to the layer of one build.
func WithLayerAnnotation(key, value string) Option {
	return pair("layer_annotation", key, value)
}

// WithoutLayerData leaves Layer.Data of what is built nil: the layer's bytes stay in the store and a push
// streams them from there, so that memory does not grow with the tree.
func WithoutLayerData() Option { return func(s *settings) { s.withoutData = true } }

// Existing says what a pull does with a destination that is not empty.
type Existing string

// What a pull can do with a destination that is not empty.
const (
	ExistingMerge   Existing = "merge"   // put the artifact's files over what is there, the default here
	ExistingRefuse  Existing = "refuse"  // fail
	ExistingReplace Existing = "replace" // swap the whole directory, atomically
)

// WithExisting says what one pull does with a destination that is not empty.
func WithExisting(existing Existing) Option { return WithOption("existing", string(existing)) }

// WithDurable lets a pull return only once what it published survives a loss of power.
func WithDurable() Option { return boolean("durable") }

// WithPlatform says which manifest of an index is meant: "linux/arm64".
func WithPlatform(platform string) Option { return WithOption("platform", platform) }

// WithMountFrom names repositories of the same registry that one push mounts blobs from.
func WithMountFrom(repositories ...string) Option {
	return WithOption("mount_from", strings.Join(repositories, ","))
}

// WithReferrers lets one copy take along what refers to the artifact.
func WithReferrers() Option { return boolean("recursive") }

// WithArtifactType lets [Client.Referrers] list only those of this artifact type.
func WithArtifactType(artifactType string) Option { return WithOption("artifact_type", artifactType) }

// WithProgress has a function told how far each call is: about ten times a second and once at its end. It is
// called in the goroutine that made the call, which waits for it.
func WithProgress(report func(Progress)) Option { return func(s *settings) { s.progress = report } }

// WithWarnings has a function told each warning of each call that succeeded, such as a link that a build left
// out. It is called in the goroutine that made the call.
func WithWarnings(report func(warning string)) Option {
	return func(s *settings) { s.warning = report }
}

// WithResult has one call that succeeds write its result to into, for the methods that do not return it.
func WithResult(into *Result) Option { return func(s *settings) { s.result = into } }
