package oci

import (
	"fmt"
	"strings"
)

// words gives the text of an error: for a pull the one that cldctl shows, else "failed to VERB: …".
func (r *request) words(e *Error, which string) string {
	action := r.action
	if action == actionPullConfig {
		action = actionPull
	}
	if action == actionPull && !strings.HasPrefix(e.Reference, layoutScheme) {
		switch ref := e.Reference; {
		case e.RegistryCode == "MANIFEST_UNKNOWN":
			return fmt.Sprintf("artifact not found: %s does not exist or the tag is invalid", ref)
		case e.RegistryCode == "NAME_UNKNOWN":
			return fmt.Sprintf("repository not found: %s does not exist in the registry", ref)
		case e.Code == CodeUnauthorized:
			return fmt.Sprintf("authentication required: you may need to log in to access %s", ref)
		case e.Code == CodeDenied:
			return fmt.Sprintf("access denied: you don't have permission to pull %s", ref)
		case e.Code == CodeNotFound:
			return fmt.Sprintf("artifact not found: %s does not exist in the registry", ref)
		}
	}
	return fmt.Sprintf("failed to %s: %s%s", action, which, e.Message)
}
