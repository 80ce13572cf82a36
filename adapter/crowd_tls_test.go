package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// A connection on which a request is in work makes room for no other, over TLS as without it,
// in both versions of HTTP; once it only waits, it does.
func TestWhoIsServedOverTLSIsNotThrownOut(t *testing.T) {
	files := newWorld(t, "").authority()
	for _, major := range []int{1, 2} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		begun, let := make(chan struct{}), make(chan struct{})
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/long" {
				begun <- struct{}{}
				<-let
			}
			fmt.Fprint(w, r.ProtoMajor)
		})
		crowd := newCrowd(listener, 1, 1, nil, prometheus.NewRegistry())
		server := newServer(handler, crowd, quiet())
		if err := secure(server, files.tlsFiles, quiet()); err != nil {
			t.Fatal(err)
		}
		go func() { _ = serve(server, crowd) }()
		visitor := func() *http.Client {
			transport := &http.Transport{ForceAttemptHTTP2: major == 2, TLSClientConfig: &tls.Config{RootCAs: files.pool, Certificates: []tls.Certificate{*files.client("gp")}}}
			t.Cleanup(transport.CloseIdleConnections)
			return &http.Client{Transport: transport, Timeout: patience}
		}
		ask := func(c *http.Client, path string) (string, error) {
			answer, err := c.Get("https://" + listener.Addr().String() + path)
			if err != nil {
				return "", err
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			return string(body), err
		}
		first := visitor()
		for range 2 { // the second one comes on a connection that was idle
			done := make(chan error, 1)
			go func() {
				body, err := ask(first, "/long")
				if err == nil && body != fmt.Sprint(major) {
					err = fmt.Errorf("the answer is %q", body)
				}
				done <- err
			}()
			<-begun
			if body, err := ask(visitor(), "/"); err == nil {
				t.Errorf("HTTP/%d: another is served: %q", major, body)
			}
			let <- struct{}{}
			if err := <-done; err != nil {
				t.Errorf("HTTP/%d: who was served is thrown out: %v", major, err)
			}
		}
		// its idle connection makes room; the server may need a moment to see that it is idle
		var last error
		for range 1000 {
			if _, last = ask(visitor(), "/"); last == nil {
				break
			}
		}
		if last != nil {
			t.Errorf("HTTP/%d: an idle connection makes no room: %v", major, last)
		}
		_ = server.Close()
	}
}
