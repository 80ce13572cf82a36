package gateway

import (
	"context"
	"net/http"
	"time"

	"spadapter/adapter/issue"
)

// readyTimeout is below the second after which probes usually give up.
const readyTimeout = 900 * time.Millisecond

// health is GET /healthz: the process answers.
func health(x *exchange) error {
	x.send(http.StatusOK, contentJSON, []byte(`{"status":"ok"}`))
	return nil
}

// readiness is GET /readyz: the program can serve, its database included.
func readiness(x *exchange) error {
	ctx, cancel := context.WithTimeout(x.context(), readyTimeout)
	defer cancel()
	if err := x.Ready(ctx); err != nil {
		return issue.New(issue.NoStore, "not-ready", "the adapter cannot serve now").Because(err)
	}
	x.send(http.StatusOK, contentJSON, []byte(`{"status":"ready"}`))
	return nil
}
