package mesh

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"time"

	"spadapter/adapter/issue"
)

// Files are where the secrets of a mailbox are.
type Files struct {
	Password  string
	SharedKey string
	Cert, Key string // client certificate in PEM; both or none
	CA        string // authorities that the certificate of MESH must be from; "" for those of the machine
}

// Secrets reads the password and the shared key; a line break at the end is not part of
// them. Errors: required for an empty file, no-store for one that cannot be read.
func (f Files) Secrets() (password, sharedKey string, err error) {
	for _, s := range []struct {
		file string
		into *string
	}{{f.Password, &password}, {f.SharedKey, &sharedKey}} {
		text, err := os.ReadFile(s.file)
		if err != nil {
			return "", "", issue.New(issue.NoStore, "mesh-settings", "a file with a secret of MESH cannot be read").Because(err)
		}
		if *s.into = string(bytes.TrimRight(text, "\r\n")); *s.into == "" {
			return "", "", issue.New(issue.Required, "mesh-settings", "a file with a secret of MESH is empty")
		}
	}
	return password, sharedKey, nil
}

// Transport makes connections that show the client certificate. The files are read now, and
// the certificate again for each connection, since it is renewed under a program that runs.
// Errors: no-store for a file that cannot be read, value for one that holds nothing fit.
func (f Files) Transport() (http.RoundTripper, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.CA != "" {
		text, err := os.ReadFile(f.CA)
		if err != nil {
			return nil, issue.New(issue.NoStore, "mesh-settings", "the file of the authorities of MESH cannot be read").Because(err)
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, issue.New(issue.Value, "mesh-settings", "the file of the authorities of MESH holds no certificate in PEM")
		}
	}
	if f.Cert != "" {
		load := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
			if err != nil {
				return nil, issue.New(issue.Value, "mesh-settings", "the client certificate for MESH and its key cannot be used").Because(err)
			}
			return &pair, nil
		}
		if _, err := load(nil); err != nil {
			return nil, err
		}
		c.GetClientCertificate = load
	}
	return &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext, TLSClientConfig: c,
		TLSHandshakeTimeout: 10 * time.Second, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2: true, DisableCompression: true,
	}, nil
}
