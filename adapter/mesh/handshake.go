package mesh

import (
	"context"
	"net/http"
	"runtime"
)

// Software is what a Handshake says of us.
type Software struct {
	Client    string // name and version of this program
	OS        string // default that of the build
	OSVersion string // default "unknown"
}

// Handshake says that the mailbox is in use and proves that it can be. MESH asks for one a
// day. Errors: login; transient.
func (c *Client) Handshake(ctx context.Context, s Software) error {
	if s.OS == "" {
		s.OS = runtime.GOOS
	}
	if s.OSVersion == "" {
		s.OSVersion = "unknown"
	}
	return c.answer(ctx, request{method: http.MethodPost, path: c.mailbox(), header: map[string]string{
		"mex-ClientVersion": s.Client, "mex-OSArchitecture": runtime.GOARCH, "mex-OSName": s.OS, "mex-OSVersion": s.OSVersion,
	}}, nil, http.StatusOK)
}
