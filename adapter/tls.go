package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
)

// tlsFiles are the files by which a listener ends TLS itself.
type tlsFiles struct {
	cert, key string
	clientCA  string // "" when no client certificate is asked for
	optional  bool   // a client may come without one
}

// check finds files that make no sense without the others. prefix begins the names of the
// settings, such as ADAPTER_TLS.
func (f tlsFiles) check(prefix string) error {
	if (f.cert == "") != (f.key == "") {
		return fmt.Errorf("%[1]s_CERT_FILE and %[1]s_KEY_FILE are given together", prefix)
	}
	if f.clientCA != "" && f.cert == "" {
		return fmt.Errorf("%[1]s_CLIENT_CA_FILE needs %[1]s_CERT_FILE and %[1]s_KEY_FILE", prefix)
	}
	return nil
}

func (f tlsFiles) on() bool { return f.cert != "" }

// mutual reports whether nobody connects without a certificate of the authority.
func (f tlsFiles) mutual() bool { return f.clientCA != "" && !f.optional }

// load makes the configuration that the files say now.
func (f tlsFiles) load() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
	if f.clientCA == "" {
		return c, nil
	}
	text, err := os.ReadFile(f.clientCA)
	if err != nil {
		return nil, err
	}
	c.ClientCAs = x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", f.clientCA)
	}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	if f.optional {
		c.ClientAuth = tls.VerifyClientCertIfGiven
	}
	// a client whose authority is taken away must not come back on an old session
	c.SessionTicketsDisabled = true
	return c, nil
}

// certificates keeps what the files of a listener say. Certificates are renewed under a
// server that runs: each handshake looks whether a file has changed.
type certificates struct {
	files tlsFiles
	log   *slog.Logger

	mu     sync.Mutex
	stamp  string // of the files that were read last, whether they could be used or not
	config *tls.Config
}

func newCertificates(files tlsFiles, log *slog.Logger) (*certificates, error) {
	c := &certificates{files: files, log: log, stamp: files.stamp()}
	var err error
	c.config, err = files.load()
	return c, err
}

// stamp tells the files from what they were before.
func (f tlsFiles) stamp() string {
	var b strings.Builder
	for _, name := range []string{f.cert, f.key, f.clientCA} {
		if info, err := os.Stat(name); err == nil {
			fmt.Fprintln(&b, info.ModTime().UnixNano(), info.Size())
		}
	}
	return b.String()
}

// current gives the configuration for a new connection. Files that cannot be used, such
// as a certificate whose key is not there yet, leave the last one in force.
func (c *certificates) current(*tls.ClientHelloInfo) (*tls.Config, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stamp := c.files.stamp()
	if stamp == c.stamp {
		return c.config, nil
	}
	c.stamp = stamp
	next, err := c.files.load()
	if err != nil {
		c.log.Warn("the changed TLS files cannot be used; the ones before stay in force", "error", err.Error())
		return c.config, nil
	}
	c.config = next
	c.log.Info("tls_files_read")
	return next, nil
}

// serve serves a listener, with TLS where the server has a configuration for it.
func serve(server *http.Server, listener net.Listener) error {
	if server.TLSConfig == nil {
		return server.Serve(listener)
	}
	return server.ServeTLS(listener, "", "")
}

// secure gives a server the certificates in files; without any it stays as it is.
func secure(server *http.Server, files tlsFiles, log *slog.Logger) error {
	if !files.on() {
		return nil
	}
	c, err := newCertificates(files, log)
	if err != nil {
		return err
	}
	server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: c.current, SessionTicketsDisabled: files.clientCA != ""}
	return nil
}

// onlyHere reports whether only this machine can reach a listen address.
func onlyHere(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
