package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"spadapter/adapter/auth"
)

// rotateKeysCmd changes the keys without anybody noticing: the next key is published at
// once and signs after Lead, the old ones end Keep after that. Every adapter with the file
// reads it within seconds, and goes by its clock from there.
type rotateKeysCmd struct {
	Private   string        `help:"Private key set; it is replaced as a whole." type:"path" env:"ADAPTER_KEYS_FILE" default:"adapter-keys.json"`
	Public    string        `help:"Public key set; replaced too, where it is the public half of that set." type:"path" env:"ADAPTER_JWKS_FILE" default:"adapter-jwks.json"`
	Algorithm string        `help:"ES384, RS384 or RS512; that of the key there is when none is named." enum:",ES384,RS384,RS512" default:""`
	Lead      time.Duration `help:"From now until the next key signs; longer than partners keep our keys, and than it takes to bring the file to every machine. 0 when the old key is known to others." default:"1h"`
	Keep      time.Duration `help:"From then until the old keys end; longer than anything that they signed holds. Development tokens hold for up to 24h." default:"15m"`
}

func (c *rotateKeysCmd) Run() error {
	private, err := privateKeys(c.Private)
	if err != nil {
		return err
	}
	now := time.Now()
	next, public, begins, err := auth.RotateKeys(private, auth.Rotation{Algorithm: auth.Algorithm(c.Algorithm), Lead: c.Lead, Keep: c.Keep}, now)
	if err != nil {
		return err
	}
	// the file that is to take its place is the lock: two rotations at once would lose a key
	replace, err := replacement(c.Private, next, 0o600)
	if err != nil {
		return err
	}
	ours, err := isHalf(c.Public, private)
	if err == nil && ours {
		var replacePublic func() error
		if replacePublic, err = replacement(c.Public, public, 0o644); err == nil {
			err = replacePublic()
		}
	}
	if err != nil {
		return errors.Join(err, os.Remove(c.Private+nextFile))
	}
	if err := replace(); err != nil {
		return err
	}
	fmt.Printf("the next key signs from %s, the old ones end %s\n", begins.UTC().Format(time.RFC3339), begins.Add(c.Keep).UTC().Format(time.RFC3339))
	if !ours {
		fmt.Printf("%s is not the public half of this set, and is as it was\n", c.Public)
	}
	return nil
}

// nextFile is the end of the name of a file that is about to replace another.
const nextFile = ".next"

// replacement writes a file to take the place of path, durable and with its permissions,
// or with mode where there is none, and gives what puts it there.
func replacement(path string, body []byte, mode fs.FileMode) (func() error, error) {
	if old, err := os.Stat(path); err == nil {
		mode = old.Mode().Perm()
	}
	f, err := os.OpenFile(path+nextFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s exists: another rotation is at work, or one was cut short; remove it in that case", path+nextFile)
	}
	if err != nil {
		return nil, err
	}
	_, err = f.Write(body)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, errors.Join(err, os.Remove(path+nextFile))
	}
	return func() error { return os.Rename(path+nextFile, path) }, nil
}

// isHalf reports whether a file holds keys of a private set alone. It is false for one
// that does not exist.
func isHalf(path string, private []byte) (bool, error) {
	public, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	have, err := kids(public)
	if err != nil {
		return false, nil // whatever it is, it is not ours to write
	}
	known, err := kids(private)
	if err != nil {
		return false, err
	}
	return len(have) > 0 && !slices.ContainsFunc(have, func(kid string) bool { return !slices.Contains(known, kid) }), nil
}

// kids lists the names of the keys of a set.
func kids(set []byte) (list []string, err error) {
	var parsed struct {
		Keys []struct {
			KID string `json:"kid"`
		} `json:"keys"`
	}
	err = json.Unmarshal(set, &parsed)
	for _, k := range parsed.Keys {
		list = append(list, k.KID)
	}
	return list, err
}
