package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"

	"spadapter/adapter/auth"
)

// keysCmd is about the key sets of the adapter, and of clients that it is tried with.
type keysCmd struct {
	Make   makeKeysCmd   `cmd:"" default:"withargs" help:"Make a key set for tokens and for proving who we are; what 'adapter keys' does alone."`
	Rotate rotateKeysCmd `cmd:"" help:"Add the next key to a set, say when it signs and when the old ones end; running adapters follow."`
}

// makeKeysCmd makes a key set: the private half signs tokens and proves who the adapter
// is to partners, the public half verifies.
type makeKeysCmd struct {
	Algorithm string `help:"ES384, RS384 or RS512." enum:"ES384,RS384,RS512" default:"ES384"`
	Private   string `help:"File for the private key set; never overwritten." type:"path" default:"adapter-keys.json"`
	Public    string `help:"File for the public key set; never overwritten." type:"path" default:"adapter-jwks.json"`
}

func (c *makeKeysCmd) Run() error {
	private, public, err := auth.GenerateKeys(auth.Algorithm(c.Algorithm))
	if err != nil {
		return err
	}
	// neither file is overwritten: that would lock every client out
	if _, err := os.Stat(c.Public); err == nil {
		return fmt.Errorf("%s exists and is kept; name another file with -public, or remove it first", c.Public)
	}
	f, err := os.OpenFile(c.Private, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists and is kept; name another file with -private, or remove it first", c.Private)
	}
	if err != nil {
		return err
	}
	if _, err := f.Write(private); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.WriteFile(c.Public, public, 0o644); err != nil {
		return err
	}
	fmt.Printf("private key set  %s  (keep it secret)\npublic key set   %s  (for whoever checks what is signed)\n", c.Private, c.Public)
	return nil
}

// tokenCmd makes a bearer token for development, signed with the private key set.
type tokenCmd struct {
	Keys         string        `help:"Private key set." type:"path" default:"adapter-keys.json"`
	Role         string        `help:"requester, owner or operator." enum:"requester,owner,operator" required:""`
	Organisation []string      `help:"ODS code the token speaks for; repeats." required:"" short:"o"`
	Client       string        `help:"Client id." default:"development"`
	Scope        []string      `help:"SMART scopes." default:"system/*.cruds"`
	Issuer       string        `help:"iss." env:"ADAPTER_ISSUER" default:"spadapter"`
	Audience     []string      `help:"aud: the adapter's base URL." env:"ADAPTER_AUDIENCE,ADAPTER_BASE_URL" default:"http://127.0.0.1:8080"`
	TTL          time.Duration `help:"How long the token holds, at most 24h." name:"ttl" default:"1h"`
}

func (c *tokenCmd) Run() error {
	if c.TTL <= 0 || c.TTL > 24*time.Hour {
		return errors.New("-ttl is above zero and at most 24h: the adapter refuses tokens that hold longer")
	}
	private, err := privateKeys(c.Keys)
	if err != nil {
		return err
	}
	signer, err := auth.NewSigner(private, auth.SignerConfig{NewID: uuid.NewString})
	if err != nil {
		return err
	}
	token, err := signer.Token(auth.Claims{
		Issuer: c.Issuer, Client: c.Client, Audience: c.Audience, Organisations: c.Organisation, Role: auth.Role(c.Role), Scopes: c.Scope,
	}, time.Now(), c.TTL)
	if err != nil {
		return err
	}
	fmt.Println(token)
	return nil
}

// assertionCmd makes a client assertion, as a client does to get a token.
type assertionCmd struct {
	Keys      string `help:"Private key set of the client." type:"path" required:""`
	Client    string `help:"Client id, as registered among the partners." required:""`
	URL       string `help:"Token endpoint, the aud of the assertion." name:"url" placeholder:"http://127.0.0.1:8080/oauth2/token"`
	BaseURL   string `help:"Base URL of the adapter, whose token endpoint is meant where no -url is given." env:"ADAPTER_BASE_URL" name:"base-url" default:"http://127.0.0.1:8080"`
	Algorithm string `help:"ES384, RS384 or RS512; that of the key when none is named." enum:",ES384,RS384,RS512" default:""`
}

func (c *assertionCmd) Run() error {
	private, err := privateKeys(c.Keys)
	if err != nil {
		return err
	}
	signer, err := auth.NewSigner(private, auth.SignerConfig{Algorithm: auth.Algorithm(c.Algorithm), NewID: uuid.NewString})
	if err != nil {
		return err
	}
	endpoint := c.URL
	if endpoint == "" {
		endpoint = strings.TrimSuffix(c.BaseURL, "/") + "/oauth2/token"
	}
	assertion, err := signer.Assertion(c.Client, endpoint, time.Now())
	if err != nil {
		return err
	}
	fmt.Println(assertion)
	return nil
}

// privateKeys reads the file of a private key set.
func privateKeys(path string) ([]byte, error) {
	private, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s does not exist; make a key set with 'adapter keys' first", path)
	}
	return private, err
}
