package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certifier is a certificate authority for one test, and the files that a server needs.
type certifier struct {
	tlsFiles
	t    *testing.T
	root *x509.Certificate
	sign *ecdsa.PrivateKey
	pool *x509.CertPool
}

// authority makes the files of a server with a certificate for 127.0.0.1.
func (w *world) authority() *certifier {
	w.t.Helper()
	dir := w.t.TempDir()
	a := &certifier{t: w.t, pool: x509.NewCertPool(), tlsFiles: tlsFiles{
		cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), clientCA: filepath.Join(dir, "ca.pem")}}
	var err error
	if a.sign, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		w.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Synthetic authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.sign.PublicKey, a.sign)
	if err != nil {
		w.t.Fatal(err)
	}
	if a.root, err = x509.ParseCertificate(der); err != nil {
		w.t.Fatal(err)
	}
	a.pool.AddCert(a.root)
	w.write(a.clientCA, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	a.renew("server-1")
	return a
}

// issue makes a certificate and its key.
func (a *certifier) issue(name string) (der []byte, key *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	der, err = x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP("127.0.0.1")}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.root, &key.PublicKey, a.sign)
	if err != nil {
		a.t.Fatal(err)
	}
	return der, key
}

// renew writes a new certificate of the server.
func (a *certifier) renew(name string) {
	a.t.Helper()
	der, key := a.issue(name)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{a.cert: {Type: "CERTIFICATE", Bytes: der}, a.key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
}

// client makes a certificate that a client shows.
func (a *certifier) client(name string) *tls.Certificate {
	der, key := a.issue(name)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// thumbprint is what a token is bound by to a certificate.
func thumbprint(c *tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	return b64(sum[:])
}

// get asks over a connection of its own, and gives the status, the body, and whose
// certificate the server showed.
func (a *certifier) get(t *testing.T, url string, with *tls.Certificate, headers ...string) (status int, server string, err error) {
	t.Helper()
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: a.pool}}
	if with != nil {
		transport.TLSClientConfig.Certificates = []tls.Certificate{*with}
	}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := (&http.Client{Transport: transport, Timeout: patience}).Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return 0, "", err
	}
	if response.ProtoMajor != 2 {
		t.Errorf("spoken in HTTP/%d", response.ProtoMajor)
	}
	return response.StatusCode, response.TLS.PeerCertificates[0].Subject.CommonName, nil
}

func (w *world) secured(files *certifier, clients string) {
	w.config.TLSCert, w.config.TLSKey, w.config.TLSClientCert = files.cert, files.key, clients
	if clients != "" {
		w.config.TLSClientCA = files.clientCA
	}
}

func TestTheAdapterEndsTLSItself(t *testing.T) {
	w := newWorld(t, "")
	files := w.authority()
	w.secured(files, "")
	w.config.BaseURL = ""
	log := &buffer{}
	a := w.run(slog.New(slog.NewJSONHandler(log, nil)))
	if !strings.HasPrefix(a.url, "https://127.0.0.1:") {
		t.Fatal(a.url)
	}
	if status, server, err := files.get(t, a.url+"/healthz", nil); err != nil || status != http.StatusOK || server != "server-1" {
		t.Errorf("%d from %s, %v", status, server, err)
	}
	old := &tls.Config{RootCAs: files.pool, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	if c, err := tls.Dial("tcp", strings.TrimPrefix(a.url, "https://"), old); err == nil {
		_ = c.Close()
		t.Error("TLS 1.1 is spoken")
	}
	if got, err := http.Get("http://" + strings.TrimPrefix(a.url, "https://") + "/healthz"); err == nil && got.StatusCode == http.StatusOK {
		t.Error("plain HTTP is answered")
	}
	files.renew("server-2")
	if status, server, err := files.get(t, a.url+"/healthz", nil); err != nil || status != http.StatusOK || server != "server-2" {
		t.Errorf("after the renewal: %d from %s, %v", status, server, err)
	}
	w.write(files.key, "half a k")
	if _, server, err := files.get(t, a.url+"/healthz", nil); err != nil || server != "server-2" {
		t.Errorf("with a broken key: %s, %v", server, err)
	}
	if !strings.Contains(log.String(), "the changed TLS files cannot be used") || strings.Contains(log.String(), "half a k") {
		t.Errorf("the log: %s", log)
	}
	files.renew("server-3")
	if _, server, err := files.get(t, a.url+"/healthz", nil); err != nil || server != "server-3" {
		t.Errorf("after the repair: %s, %v", server, err)
	}
}

func TestClientCertificatesAreDemanded(t *testing.T) {
	w := newWorld(t, "")
	files, stranger := w.authority(), w.authority()
	w.secured(files, "required")
	a := w.run(quiet())
	if status, _, err := files.get(t, a.url+"/healthz", files.client("gp")); err != nil || status != http.StatusOK {
		t.Errorf("with a certificate: %d, %v", status, err)
	}
	for name, with := range map[string]*tls.Certificate{"no certificate": nil, "one of another authority": stranger.client("gp")} {
		if status, _, err := files.get(t, a.url+"/healthz", with); err == nil {
			t.Errorf("%s: %d", name, status)
		}
	}
	// the other authority takes over: the files are read again for each connection
	authority, err := os.ReadFile(stranger.clientCA)
	if err != nil {
		t.Fatal(err)
	}
	w.write(files.clientCA, string(authority)+"\n")
	if status, _, err := files.get(t, a.url+"/healthz", stranger.client("gp")); err != nil || status != http.StatusOK {
		t.Errorf("after the change: %d, %v", status, err)
	}
	if status, _, err := files.get(t, a.url+"/healthz", files.client("gp")); err == nil {
		t.Errorf("the authority that was taken away: %d", status)
	}
}

func TestTokensAreBoundToClientCertificates(t *testing.T) {
	w := newWorld(t, "")
	files := w.authority()
	w.outside()
	w.secured(files, "optional")
	a := w.run(quiet())
	mine, other := files.client("gp"), files.client("another")
	bound := cis2Key().sign("RS256", person("900100000001", "cnf", map[string]any{"x5t#S256": thumbprint(mine)}))
	free := cis2Key().sign("RS256", person("900100000001"))
	byKey := cis2Key().sign("RS256", person("900100000001", "cnf", map[string]any{"jkt": thumbprint(mine)}))
	check := func(a *adapter, list map[string]struct {
		token  string
		with   *tls.Certificate
		status int
	}) {
		t.Helper()
		for name, c := range list {
			if status, _, err := files.get(t, a.url+"/fhir/R4/Task", c.with, "Authorization", "Bearer "+c.token); err != nil || status != c.status {
				t.Errorf("%s: %d, want %d, %v", name, status, c.status, err)
			}
		}
	}
	type one = struct {
		token  string
		with   *tls.Certificate
		status int
	}
	check(a, map[string]one{
		"its certificate": {bound, mine, 200}, "another's": {bound, other, 401}, "none": {bound, nil, 401},
		"a free token": {free, mine, 200}, "a free token without certificate": {free, nil, 200}, "bound to a key": {byKey, mine, 401},
	})
	a.stop()
	w.config.BoundTokens = true
	check(w.run(quiet()), map[string]one{"its certificate": {bound, mine, 200}, "a free token": {free, mine, 401}, "a free token without certificate": {free, nil, 401}})
}

func TestAProxyTellsTheCertificate(t *testing.T) {
	w := newWorld(t, "")
	w.outside()
	mine := w.authority().client("gp")
	token := cis2Key().sign("RS256", person("900100000001", "cnf", map[string]any{"x5t#S256": thumbprint(mine)}))
	ask := func(a *adapter) int {
		return a.with(token).do(http.MethodGet, "/fhir/R4/Task", nil, "X-Client-Thumbprint", thumbprint(mine)).status
	}
	first := w.run(quiet())
	if got := ask(first); got != http.StatusUnauthorized {
		t.Errorf("a header that no setting names counts: %d", got)
	}
	first.stop()
	w.config.ThumbprintHeader, w.config.TrustedProxies, w.config.BoundTokens = "X-Client-Thumbprint", []string{"127.0.0.0/8"}, true
	second := w.run(quiet())
	if got := ask(second); got != http.StatusOK {
		t.Errorf("from the proxy: %d", got)
	}
	second.with(token).get("/fhir/R4/Task").want(http.StatusUnauthorized)
	second.stop()
	w.config.TrustedProxies = []string{"10.1.2.0/24"}
	if got := ask(w.run(quiet())); got != http.StatusUnauthorized {
		t.Errorf("from elsewhere: %d", got)
	}
}

func TestCallerSettingsThatMeanNothing(t *testing.T) {
	w := newWorld(t, "")
	files := w.authority()
	plain := w.config
	for name, c := range map[string]struct {
		change func(*Config)
		says   string
	}{
		"a certificate without key":     {func(c *Config) { c.TLSCert = files.cert }, "ADAPTER_TLS_CERT_FILE and ADAPTER_TLS_KEY_FILE are given together"},
		"a key without certificate":     {func(c *Config) { c.TLSKey = files.key }, "given together"},
		"an authority alone":            {func(c *Config) { c.TLSClientCA = files.clientCA }, "ADAPTER_TLS_CLIENT_CA_FILE needs"},
		"a file that is missing":        {func(c *Config) { c.TLSCert, c.TLSKey = files.cert+"x", files.key }, "ADAPTER_TLS_CERT_FILE"},
		"an authority that is none":     {func(c *Config) { c.TLSCert, c.TLSKey, c.TLSClientCA = files.cert, files.key, files.key }, "no certificate in PEM"},
		"a header without proxies":      {func(c *Config) { c.ThumbprintHeader = "X-Thumbprint" }, "needs ADAPTER_TRUSTED_PROXIES"},
		"a network that is none":        {func(c *Config) { c.ThumbprintHeader, c.TrustedProxies = "X-T", []string{"10.1"} }, "ADAPTER_TRUSTED_PROXIES"},
		"a header that is none":         {func(c *Config) { c.ThumbprintHeader, c.TrustedProxies = "X T", []string{"10.1.0.0/16"} }, "ADAPTER_THUMBPRINT_HEADER"},
		"bound tokens, no certificates": {func(c *Config) { c.BoundTokens = true }, "ADAPTER_BOUND_TOKENS needs"},
	} {
		w.config = plain
		c.change(&w.config)
		if err := w.refused(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	out, code := program(t, []string{"ADAPTER_TLS_CLIENT_CERT=maybe"}, "config")
	if code == 0 {
		t.Error(out)
	}
	out, code = program(t, []string{"ADAPTER_ISSUERS_FILE=issuers.json", "ADAPTER_GPCONNECT_LISTEN=127.0.0.1:8081", "ADAPTER_TLS_CERT_FILE=c.pem", "ADAPTER_TLS_KEY_FILE=k.pem"}, "config")
	for _, want := range []string{"issuers.json", "127.0.0.1:8081", "c.pem", "k.pem", "https://127.0.0.1:8080"} {
		if code != 0 || !bytes.Contains([]byte(out), []byte(want)) {
			t.Errorf("config does not show %s: %s", want, out)
		}
	}
	help, _ := program(t, nil, "serve", "-help")
	if flat := strings.Join(strings.Fields(help), " "); !strings.Contains(flat, "must stand behind the Spine proxy with mutual TLS") {
		t.Errorf("the help does not warn: %s", help)
	}
}
