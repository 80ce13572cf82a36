package mesh_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/mesh"
	peer "spadapter/conformance/peer/mesh"
)

// authority issues certificates for these tests.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.issue("ca", nil)
	return a
}

// issue makes a certificate and writes NAME.pem and NAME.key.
func (a *authority) issue(name string, by *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key := must[*ecdsa.PrivateKey](a.t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: by == nil, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der := must[[]byte](a.t)(x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer))
	private := must[[]byte](a.t)(x509.MarshalPKCS8PrivateKey(key))
	for ending, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(a.dir, name+ending), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	return must[*x509.Certificate](a.t)(x509.ParseCertificate(der)), key
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// The certificate in the files is shown, that of the server is checked against the authority
// in them, and a renewed one counts from the next connection on.
func TestMutualTLSFromFiles(t *testing.T) {
	a := newAuthority(t)
	a.issue("server", a)
	a.issue("client", a)
	x := peer.New(peer.Config{SharedKey: sharedKey, Now: func() time.Time { return at }, Certificate: true})
	x.Register(peer.Mailbox{ID: ours, Password: ourPassword})
	server := httptest.NewUnstartedServer(x)
	pair := must[tls.Certificate](t)(tls.LoadX509KeyPair(a.file("server.pem"), a.file("server.key")))
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool}
	server.StartTLS()
	defer server.Close()
	try := func(f mesh.Files) error {
		transport, err := f.Transport()
		if err != nil {
			return err
		}
		c := &mesh.Client{URL: server.URL, Mailbox: ours, Password: ourPassword, SharedKey: sharedKey, Transport: transport, Now: func() time.Time { return at }}
		_, err = c.Inbox(t.Context())
		return err
	}
	all := mesh.Files{Cert: a.file("client.pem"), Key: a.file("client.key"), CA: a.file("ca.pem")}
	if err := try(all); err != nil {
		t.Errorf("with a certificate: %v", err)
	}
	if err := try(mesh.Files{CA: all.CA}); !errors.Is(err, issue.Login) {
		t.Errorf("without one: %v", err)
	}
	if err := try(mesh.Files{Cert: all.Cert, Key: all.Key}); !errors.Is(err, issue.Security) {
		t.Errorf("a server of an authority that is not ours: %v", err)
	}
	for name, f := range map[string]mesh.Files{
		"no file": {CA: a.file("none")}, "no PEM": {CA: a.file("ca.key")}, "no key": {Cert: all.Cert, Key: a.file("none")}, "another key": {Cert: all.Cert, Key: a.file("server.key")},
	} {
		if _, err := f.Transport(); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	other := newAuthority(t)
	other.issue("client", other)
	for _, ending := range []string{".pem", ".key"} {
		text := must[[]byte](t)(os.ReadFile(other.file("client" + ending)))
		if err := os.WriteFile(a.file("client"+ending), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := try(all); err == nil {
		t.Error("the certificate that was there before is still shown")
	}
}

func TestSecretsFromFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	f := mesh.Files{Password: write("password", " pass word \r\n"), SharedKey: write("key", "key\n")}
	if p, k, err := f.Secrets(); p != " pass word " || k != "key" || err != nil {
		t.Errorf("%q, %q, %v", p, k, err)
	}
	for _, f := range []mesh.Files{{Password: f.Password, SharedKey: write("empty", "\n")}, {Password: filepath.Join(dir, "none"), SharedKey: f.SharedKey}} {
		if _, _, err := f.Secrets(); err == nil {
			t.Errorf("%v is taken", f)
		}
	}
}
