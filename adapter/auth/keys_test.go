package auth

import (
	"bytes"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"spadapter/adapter/issue"
)

func TestKeySets(t *testing.T) {
	for alg, p := range parties() {
		if !json.Valid(p.private) || bytes.Contains(p.public, []byte(`"d"`)) || bytes.Contains(p.published(t), []byte(`"d"`)) {
			t.Errorf("%s: the public set shows the secret", alg)
		}
		if _, err := ParseKeys(p.published(t)); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		if _, err := ParseKeys(p.private); !errors.Is(err, issue.Value) {
			t.Errorf("%s: a private key was taken for a public one: %v", alg, err)
		}
		if _, err := NewSigner(p.public, SignerConfig{NewID: func() string { return "" }}); !errors.Is(err, issue.Value) {
			t.Errorf("%s: a public key signs: %v", alg, err)
		}
	}
	if _, ok := parties()[RS384].key().(*rsa.PrivateKey); !ok {
		t.Error("RS384 wants an RSA key")
	}
	one := func(jwk string) string { return `{"keys":[` + jwk + `]}` }
	ed := `{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	for name, c := range map[string]struct {
		set  string
		kind issue.Type
	}{
		"no JSON":        {"x", issue.Structure},
		"no keys":        {"{}", issue.Structure},
		"empty":          {one(""), issue.Value},
		"symmetric":      {one(`{"kty":"oct","kid":"a","k":"c2VjcmV0"}`), issue.Value},
		"no kid":         {one(strings.Replace(ed, `"kid":"a",`, "", 1)), issue.Value},
		"kid twice":      {one(ed + "," + strings.Replace(ed, "11qYAY", "21qYAY", 1)), issue.Value},
		"long RSA":       {one(`{"kty":"RSA","kid":"a","e":"AQAB","n":"` + base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 1025)) + `"}`), issue.Value},
		"exponent 1":     {one(`{"kty":"RSA","kid":"a","e":"AQ","n":"` + base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 256)) + `"}`), issue.Value},
		"only signs":     {one(strings.Replace(ed, `"kid"`, `"key_ops":["sign"],"kid"`, 1)), issue.Value},
		"short RSA":      {one(`{"kty":"RSA","kid":"a","e":"AQAB","n":"` + base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 128)) + `"}`), issue.Value},
		"only unknown":   {one(`{"kty":"AKP","kid":"a"}`), issue.Value},
		"for encryption": {one(strings.Replace(ed, `"kid"`, `"use":"enc","kid"`, 1)), issue.Value},
		"wrong alg":      {one(strings.Replace(ed, `"kid"`, `"alg":"ES384","kid"`, 1)), issue.Value},
		"off the curve":  {one(`{"kty":"EC","crv":"P-256","kid":"a","x":"AQ","y":"AQ"}`), issue.Value},
	} {
		if _, err := ParseKeys([]byte(c.set)); !errors.Is(err, c.kind) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := ParseKeys([]byte(one(ed + `,{"kty":"AKP","kid":"b"}`))); err != nil {
		t.Errorf("a key of an unknown kind spoils the set: %v", err)
	}
	if id, _ := thumbprint(parties()[RS384].key().Public()); id != parties()[RS384].kid() {
		t.Error("the kid is not the thumbprint")
	}
	if _, _, err := GenerateKeys("HS256"); !errors.Is(err, issue.NotSupported) {
		t.Error(err)
	}
}
