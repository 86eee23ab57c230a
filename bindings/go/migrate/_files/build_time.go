package cli

import (
	"os"
	"strconv"
	"time"
)

// buildTime is what a config says of when it was built: the time of SOURCE_DATE_EPOCH, else nothing, so that the same
// tree gives the same digest.
func buildTime() string {
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return ""
	}
	return time.Unix(seconds, 0).UTC().Format(time.RFC3339)
}
