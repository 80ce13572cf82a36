package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"spadapter/adapter/referral"
)

// key is the id of a referral.Key: the SHA-256 of what makes it the same, in base64.
type key string

func keyOf(k referral.Key) key {
	h := sha256.New()
	for _, part := range []string{string(k.Kind), k.Scope, k.Value} {
		var size [8]byte // before each part, so that no two triples run together the same
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		h.Write([]byte(part))
	}
	return key(base64.RawURLEncoding.EncodeToString(h.Sum(nil)))
}

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

func cleanAll(list []string) []string {
	out := make([]string, len(list))
	for i, value := range list {
		out[i] = clean(value)
	}
	return out
}

// found is a key that is known.
type found struct {
	hash   string
	answer *referral.Response // nil when none
}

const selectKeys = `
SELECT k.id, k.hash, r.id, r.status, r.content_type, r.location, r.etag, r.body
FROM key k LEFT JOIN response r ON r.id = k.response
WHERE k.id IN (`

// knownKeys looks keys up, those of hidden under both ids. ask is the query of a pool or of a transaction.
func (db *database) knownKeys(ctx context.Context, ask asker, keys []key, hidden map[key]key) (map[key]found, error) {
	out := map[key]found{}
	for plain := range hidden { // rows from before there were data keys
		keys = append(keys[:len(keys):len(keys)], plain)
	}
	err := inSteps(ctx, ask, selectKeys, keys, func(rows *sql.Rows) error {
		var k key
		var f found
		var status sql.NullInt64
		var response, contentType, location, etag sql.NullString
		var body []byte
		if err := rows.Scan(&k, &f.hash, &response, &status, &contentType, &location, &etag, &body); err != nil {
			return err
		}
		if status.Valid {
			var err error
			if body, err = db.keys.openValue(sealedResponse, body, response.String); err != nil {
				return err
			}
			f.answer = &referral.Response{Status: int(status.Int64), ContentType: contentType.String, Location: location.String, ETag: etag.String, Body: body}
		}
		if masked, ok := hidden[k]; ok {
			k = masked
		}
		out[k] = f
		return nil
	})
	return out, err
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
	var hidden map[key]key
	for i, k := range keys {
		stored[i] = s.db.keys.keyOf(k, &hidden)
	}
	known, err := s.db.knownKeys(ctx, s.db.lookUp, stored, hidden)
	if err != nil {
		return nil, fault(err)
	}
	return repeatOf(keys, stored, known), nil
}
