package store

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/tink"

	"spadapter/adapter/issue"
)

// What was looked for names people, and so it is sealed in the audit too, before it is
// hashed: the chain covers what is stored, and is verified without the key. A record is
// never written again, so its key must last as long: it follows from that of the index,
// which stays when those for documents change.

// queryKey makes the key of the queries in the audit.
func queryKey(index *prf.Set) (tink.AEAD, error) {
	var key []byte
	for _, half := range []string{"audit query 1", "audit query 2"} { // a PRF may make no more than 16 bytes
		part, err := index.ComputePrimaryPRF([]byte(half), 16)
		if err != nil {
			return nil, err
		}
		key = append(key, part...)
	}
	return subtle.NewXChaCha20Poly1305(key)
}

// queryPlace is what a query is bound to: a record has no id before it has its place in the
// chain.
func queryPlace(at int64, client, request string) []byte {
	return fmt.Appendf(nil, "audit.query\x00%d\x00%s\x00%s", at, client, request)
}

// sealQueries seals the queries in rows of audit.
func (k *DataKeys) sealQueries(rows []any) error {
	n := widths[tableAudit]
	for at := 0; at < len(rows); at += n {
		row := rows[at : at+n]
		query := row[auditQuery].(string)
		if query == "" {
			continue
		}
		closed, err := k.queries.Encrypt([]byte(query), queryPlace(row[auditAt].(int64), row[auditClient].(string), row[auditRequest].(string)))
		if err != nil {
			return issue.New(issue.Exception, "data-key", "what was looked for could not be sealed: nothing is stored").Because(err)
		}
		row[auditQuery] = markText + base64.RawStdEncoding.EncodeToString(closed)
	}
	return nil
}

// openQuery opens a query. What does not open is given as it is stored: a record from
// before there were keys may begin with the mark, since its words are a client's, and one
// that was changed must not hide the others; verifying the chain finds it.
func (k *DataKeys) openQuery(stored string, at int64, client, request string) string {
	coded, is := strings.CutPrefix(stored, markText)
	if k == nil || !is {
		return stored
	}
	closed, err := base64.RawStdEncoding.DecodeString(coded)
	if err != nil {
		return stored
	}
	plain, err := k.queries.Decrypt(closed, queryPlace(at, client, request))
	if err != nil {
		return stored
	}
	return string(plain)
}
