package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"spadapter/adapter/fhir"
)

// benchGP is a GP record that takes every transaction and keeps only how many it took.
type benchGP struct {
	url    string
	filed  atomic.Int64
	server *http.Server
}

// startBenchGP starts one on a free loopback port.
func startBenchGP() (*benchGP, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	gp := &benchGP{url: "http://" + listener.Addr().String() + "/fhir"}
	gp.server = &http.Server{Handler: gp, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = gp.server.Serve(listener) }() // ends with stop
	return gp, nil
}

func (gp *benchGP) stop() error {
	if err := gp.server.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (gp *benchGP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender is gone
	}
	root, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{})
	if err != nil || root.Text("type") != "transaction" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	n := len(root.All("entry"))
	const entry = `{"response":{"status":"201 Created"}}`
	w.Header().Set("Content-Type", "application/fhir+json")
	_, err = io.WriteString(w, `{"resourceType":"Bundle","type":"transaction-response","entry":[`+strings.TrimSuffix(strings.Repeat(entry+",", n), ",")+`]}`)
	if err == nil {
		gp.filed.Add(1)
	}
}
