package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"spadapter/adapter/referral"
)

// key is a referral.Key as it is stored, without its hash.
type key struct{ kind, scope, value string }

func storedKey(k referral.Key) key { return key{string(k.Kind), short(k.Scope), short(k.Value)} }

const (
	longest = 255 // bytes of a value in an index; PostgreSQL takes 2,704 for all columns together
	kept    = 190 // of a longer one, before its digest
)

// short makes a value fit for an index. A long one keeps its beginning, for searches
// by prefix, and ends in its SHA-256, so that it stays as different as it was.
func short(value string) string {
	value = clean(value)
	if len(value) <= longest {
		return value
	}
	digest := sha256.Sum256([]byte(value))
	return prefixOf(value) + "…" + hex.EncodeToString(digest[:])
}

// prefixOf cuts a value where short cuts it.
func prefixOf(value string) string {
	if len(value) <= kept {
		return value
	}
	n := kept
	for n > 0 && !utf8.RuneStart(value[n]) {
		n--
	}
	return value[:n]
}

// clean replaces what PostgreSQL's TEXT does not take: NUL and broken UTF-8.
func clean(value string) string {
	if strings.IndexByte(value, 0) >= 0 {
		value = strings.ReplaceAll(value, "\x00", "\uFFFD")
	}
	return strings.ToValidUTF8(value, "\uFFFD")
}

// found is a key that is known.
type found struct {
	hash     string
	response string // id, "" when none
	answer   *referral.Response
}

const selectKeys = `
SELECT k.kind, k.scope, k.value, k.hash, k.response, r.status, r.content_type, r.location, r.etag, r.body
FROM key k LEFT JOIN response r ON r.id = k.response
WHERE (k.value, k.scope, k.kind) IN (VALUES `

// selectKeysStep is how many keys one look-up takes.
const selectKeysStep = 64

// knownKeys looks keys up. ask is the query of a pool or of a transaction.
func knownKeys(ctx context.Context, ask func(context.Context, string, ...any) (*sql.Rows, error), keys []key) (map[key]found, error) {
	out := map[key]found{}
	for len(keys) > 0 {
		n := min(len(keys), selectKeysStep)
		size := 1
		for size < n {
			size *= 2
		}
		args := make([]any, 0, 3*size)
		for i := range size { // padded with the last, so that few texts are prepared
			k := keys[min(i, n-1)]
			args = append(args, k.value, k.scope, k.kind)
		}
		keys = keys[n:]
		rows, err := ask(ctx, selectKeys+strings.Repeat("(?, ?, ?), ", size-1)+"(?, ?, ?))", args...)
		if err != nil {
			return nil, err
		}
		if _, err := all(rows, func(rows *sql.Rows) (struct{}, error) { return struct{}{}, scanKey(rows, out) }); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func scanKey(rows *sql.Rows, out map[key]found) error {
	var k key
	var f found
	var status sql.NullInt64
	var contentType, location, etag sql.NullString
	var body []byte
	if err := rows.Scan(&k.kind, &k.scope, &k.value, &f.hash, &f.response, &status, &contentType, &location, &etag, &body); err != nil {
		return err
	}
	if status.Valid {
		f.answer = &referral.Response{Status: int(status.Int64), ContentType: contentType.String, Location: location.String, ETag: etag.String, Body: body}
	}
	out[k] = f
	return nil
}

// repeatOf gives the first of the keys that is known and leads to a response, else
// the first that is known, else nil.
func repeatOf(keys []referral.Key, stored []key, known map[key]found) *referral.Repeat {
	var first *referral.Repeat
	for i, s := range stored {
		f, ok := known[s]
		if !ok || (first != nil && f.answer == nil) {
			continue
		}
		k := keys[i]
		k.Hash = f.hash
		r := &referral.Repeat{Key: k, Response: f.answer}
		if f.answer != nil {
			return r
		}
		first = r
	}
	return first
}

// Known gives the response of the first of the keys that is known and has one, else
// the first that is known; nil when none is.
func (s *Store) Known(ctx context.Context, keys []referral.Key) (*referral.Repeat, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	stored := make([]key, len(keys))
	for i, k := range keys {
		stored[i] = storedKey(k)
	}
	known, err := knownKeys(ctx, s.db.query, stored)
	if err != nil {
		return nil, fault(err)
	}
	return repeatOf(keys, stored, known), nil
}
