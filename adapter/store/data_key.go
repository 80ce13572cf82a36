package store

import (
	gobytes "bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/tink"

	"spadapter/adapter/issue"
)

// DataKeys seals the documents about people in the database, and hides what people are
// searched by. It is safe for concurrent use. A nil DataKeys seals nothing.
//
// The cipher is XAES-256-GCM: its nonces are long enough to be random for as many documents
// as a key will ever see. Source: https://c2sp.org/XAES-256-GCM.
type DataKeys struct {
	documents tink.AEAD
	primary   uint32
	known     map[uint32]bool
	index     *prf.Set
	queries   tink.AEAD // of the audit
}

// keyFile is how a key set is written: two Tink keysets in JSON. The index has one key,
// which stays.
type keyFile struct {
	Documents json.RawMessage `json:"documents"`
	Index     json.RawMessage `json:"index"`
}

// ParseDataKeys reads a key set. Errors: value, which never quotes it.
func ParseDataKeys(text []byte) (*DataKeys, error) {
	documents, index, err := readKeys(text)
	if err != nil {
		return nil, err
	}
	k := &DataKeys{primary: documents.KeysetInfo().GetPrimaryKeyId(), known: map[uint32]bool{}}
	for _, info := range documents.KeysetInfo().GetKeyInfo() {
		k.known[info.GetKeyId()] = true
	}
	if k.documents, err = aead.New(documents); err != nil {
		return nil, badKeys("the keys for documents are no keys of an AEAD")
	}
	if k.index, err = prf.NewPRFSet(index); err != nil {
		return nil, badKeys("the key of the index is no key of a PRF")
	}
	if _, err := k.index.ComputePrimaryPRF(nil, 16); err != nil {
		return nil, badKeys("the key of the index makes less than 16 bytes")
	}
	if k.queries, err = queryKey(k.index); err != nil {
		return nil, badKeys("the key of the index makes no key for the audit")
	}
	// what is sealed names its key in front; a key without that could not be dropped later
	probe, err := k.documents.Encrypt([]byte("probe"), nil)
	if err != nil || sealedWith(probe) != k.primary {
		return nil, badKeys("the first key for documents does not put its number before what it seals: use a template without NO_PREFIX or RAW")
	}
	return k, nil
}

func badKeys(details string) error {
	return issue.New(issue.Value, "data-keys", details+"; make a key set with 'adapter data-keys'")
}

func readKeys(text []byte) (documents, index *keyset.Handle, err error) {
	var file keyFile
	if json.Unmarshal(text, &file) != nil || file.Documents == nil || file.Index == nil {
		return nil, nil, badKeys(`a key set is JSON with the keysets "documents" and "index"`)
	}
	if documents, err = insecurecleartextkeyset.Read(keyset.NewJSONReader(gobytes.NewReader(file.Documents))); err != nil {
		return nil, nil, badKeys(`"documents" is no keyset of Tink`)
	}
	if index, err = insecurecleartextkeyset.Read(keyset.NewJSONReader(gobytes.NewReader(file.Index))); err != nil {
		return nil, nil, badKeys(`"index" is no keyset of Tink`)
	}
	return documents, index, nil
}

// NewDataKeys makes a key set, or the next one from that before: with a new key that seals
// from now on, while the old ones still open. Errors: value for a set that cannot be read.
func NewDataKeys(before []byte) ([]byte, error) {
	documents, index := keyset.NewManager(), (*keyset.Handle)(nil)
	var err error
	if before != nil {
		var old *keyset.Handle
		if old, index, err = readKeys(before); err != nil {
			return nil, err
		}
		documents = keyset.NewManagerFromHandle(old)
	} else if index, err = keyset.NewHandle(prf.HMACSHA256PRFKeyTemplate()); err != nil {
		return nil, exceptional(err)
	}
	id, err := documents.Add(aead.XAES256GCM192BitNonceKeyTemplate())
	if err == nil {
		err = documents.SetPrimary(id)
	}
	if err != nil {
		return nil, exceptional(err)
	}
	return writeKeys(documents, index)
}

// DropDataKeys leaves of a key set the key that seals, once everything is sealed with it.
// Errors: value.
func DropDataKeys(text []byte) ([]byte, error) {
	old, index, err := readKeys(text)
	if err != nil {
		return nil, err
	}
	documents := keyset.NewManagerFromHandle(old)
	for _, info := range old.KeysetInfo().GetKeyInfo() {
		if info.GetKeyId() == old.KeysetInfo().GetPrimaryKeyId() {
			continue
		}
		if err := documents.Delete(info.GetKeyId()); err != nil {
			return nil, exceptional(err)
		}
	}
	return writeKeys(documents, index)
}

func writeKeys(documents *keyset.Manager, index *keyset.Handle) ([]byte, error) {
	handle, err := documents.Handle()
	if err != nil {
		return nil, exceptional(err)
	}
	var file keyFile
	for to, h := range map[*json.RawMessage]*keyset.Handle{&file.Documents: handle, &file.Index: index} {
		var b gobytes.Buffer
		if err := insecurecleartextkeyset.Write(h, keyset.NewJSONWriter(&b)); err != nil {
			return nil, exceptional(err)
		}
		*to = b.Bytes()
	}
	out, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return nil, exceptional(err)
	}
	return append(out, '\n'), nil
}

func exceptional(err error) error {
	return issue.New(issue.Exception, "data-keys", "a key set could not be made").Because(err)
}

// fingerprint tells index keys apart and says nothing of them.
func (k *DataKeys) fingerprint() string {
	sum, _ := k.index.ComputePrimaryPRF([]byte("fingerprint"), 16) // ParseDataKeys has tried it
	return indexKey + hex.EncodeToString(sum)
}

const indexKey = "index:"

// checkKeys refuses a database that is sealed with keys that are not there, and notes
// those that will be used. Errors: conflict with the rule "data-key-missing", transient.
func (db *database) checkKeys(ctx context.Context) error {
	k := db.keys
	return fault(db.inTransaction(ctx, func(tx session) error {
		used, err := usedKeys(ctx, tx)
		if err != nil {
			return err
		}
		for _, id := range used {
			if err := k.has(id); err != nil {
				return err
			}
		}
		if k == nil {
			return nil
		}
		for _, id := range []string{strconv.FormatUint(uint64(k.primary), 10), k.fingerprint()} {
			if _, err := tx.exec(ctx, "INSERT INTO data_key (id, at) VALUES (?, ?) ON CONFLICT DO NOTHING", id, time.Now().UnixMilli()); err != nil {
				return err
			}
		}
		return nil
	}))
}

func usedKeys(ctx context.Context, tx session) ([]string, error) {
	rows, err := tx.query(ctx, "SELECT id FROM data_key ORDER BY id")
	if err != nil {
		return nil, err
	}
	return all(rows, func(rows *sql.Rows) (id string, err error) { return id, rows.Scan(&id) })
}

// has says what is missing of a key that the database was sealed with.
func (k *DataKeys) has(id string) error {
	missing := func(what string) error {
		return issue.Newf(issue.Conflict, "data-key-missing",
			"the database is sealed with %s, which this program was not given: name the key set with it in ADAPTER_DATA_KEYS_FILE or ADAPTER_DATA_KEYS_COMMAND", what)
	}
	switch {
	case strings.HasPrefix(id, indexKey):
		if k == nil || k.fingerprint() != id {
			return missing("another index key")
		}
	default:
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil || k == nil || !k.known[uint32(n)] {
			return missing("the key " + id)
		}
	}
	return nil
}
