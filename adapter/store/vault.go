package store

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// sealedColumn is a column with personal data, which is sealed when there are data keys.
// What is sealed is bound to its table, column and row, so that it opens nowhere else.
type sealedColumn struct {
	table table
	name  string
	key   []string // the columns that name the row
	text  bool     // TEXT takes no bytes: base64

	at   int // places among the columns of the table
	keys []int
}

// The columns that are sealed. Events as followers are told of them name no person, and so
// waiting and feed are not here.
var (
	sealedMessage  = &sealedColumn{table: tableMessage, name: "body", key: []string{"id"}}
	sealedResponse = &sealedColumn{table: tableResponse, name: "body", key: []string{"id"}}
	sealedKey      = &sealedColumn{table: tableKey, name: "value", key: []string{"id"}, text: true}
	sealedResource = &sealedColumn{table: tableResource, name: "body", key: []string{"id", "number"}, text: true}
	sealedContent  = &sealedColumn{table: tableContent, name: "body", key: []string{"referral"}, text: true}
	sealedEvent    = &sealedColumn{table: tableEvent, name: "data", key: []string{"referral", "id"}, text: true}
	sealedDelivery = &sealedColumn{table: tableDelivery, name: "body", key: []string{"id"}}
	sealedSecret   = &sealedColumn{table: tableSubscriber, name: "secret", key: []string{"id"}, text: true}
	sealedFormer   = &sealedColumn{table: tableSubscriber, name: "former", key: []string{"id"}, text: true}

	sealedAcknowledgement = &sealedColumn{table: tableAcknowledgement, name: "body", key: []string{"id"}}
)

// sealedColumns are all of them in the order in which they are sealed again.
var sealedColumns = func() []*sealedColumn {
	list := []*sealedColumn{sealedMessage, sealedResponse, sealedKey, sealedResource, sealedContent, sealedEvent, sealedDelivery, sealedSecret, sealedFormer, sealedAcknowledgement}
	for _, c := range list {
		names := strings.Split(tableColumns[c.table].columns, ", ")
		c.at = slices.Index(names, c.name)
		for _, k := range c.key {
			c.keys = append(c.keys, slices.Index(names, k))
		}
	}
	return list
}()

// What is sealed begins with a mark that no document has: they are JSON, XML or words.
const (
	markBytes = "\x00sealed\x00"
	markText  = "sealed:"
)

// sealed takes the mark from a value; false when the value is plain. Nil when what follows
// the mark is nothing that was sealed.
func (c *sealedColumn) sealed(value []byte) ([]byte, bool) {
	if !c.text {
		return strip(value, markBytes)
	}
	coded, ok := strip(value, markText)
	if !ok {
		return nil, false
	}
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(coded)))
	n, err := base64.RawStdEncoding.Decode(out, coded)
	if err != nil {
		return nil, true
	}
	return out[:n], true
}

func strip(value []byte, mark string) ([]byte, bool) {
	if len(value) < len(mark) || string(value[:len(mark)]) != mark {
		return nil, false
	}
	return value[len(mark):], true
}

// place is what a sealed value is bound to.
func (c *sealedColumn) place(row ...any) []byte {
	var b strings.Builder
	b.WriteString(tableColumns[c.table].name)
	b.WriteByte('.')
	b.WriteString(c.name)
	for _, v := range row {
		b.WriteByte(0)
		switch v := v.(type) {
		case string:
			b.WriteString(v)
		case int64:
			b.WriteString(strconv.FormatInt(v, 10))
		case int:
			b.WriteString(strconv.Itoa(v))
		}
	}
	return []byte(b.String())
}

// sealValue seals one value, which stays as it is when it is empty: what was deleted shows.
func (k *DataKeys) sealValue(c *sealedColumn, value []byte, row ...any) ([]byte, error) {
	if k == nil || len(value) == 0 {
		return value, nil
	}
	closed, err := k.documents.Encrypt(value, c.place(row...))
	if err != nil {
		return nil, issue.New(issue.Exception, "data-key", "a document could not be sealed: nothing is stored").Because(err)
	}
	if !c.text {
		return append([]byte(markBytes), closed...), nil
	}
	return base64.RawStdEncoding.AppendEncode([]byte(markText), closed), nil
}

// openValue opens one value; a plain one is given as it is. Errors: exception with the rule
// "sealed-document" when it was changed, or sealed for another row or with a key that is
// not there.
func (k *DataKeys) openValue(c *sealedColumn, value []byte, row ...any) ([]byte, error) {
	closed, is := c.sealed(value)
	if !is {
		return value, nil
	}
	if k == nil || !k.known[sealedWith(closed)] {
		return nil, issue.New(issue.Exception, "sealed-document", "a stored document is sealed with a key that this program was not given")
	}
	plain, err := k.documents.Decrypt(closed, c.place(row...))
	if err != nil {
		return nil, issue.New(issue.Exception, "sealed-document",
			"a stored document does not open: it was changed, or put in the place of another, by something beside this program").Because(err)
	}
	return plain, nil
}

// openText is openValue for a string.
func (k *DataKeys) openText(c *sealedColumn, value *string, row ...any) error {
	if !strings.HasPrefix(*value, markText) {
		return nil
	}
	plain, err := k.openValue(c, []byte(*value), row...)
	*value = string(plain)
	return err
}

// sealedWith is the number of the key in front of what Tink seals, 0 when there is none.
// Source: https://developers.google.com/tink/wire-format.
func sealedWith(closed []byte) uint32 {
	if len(closed) < 5 || closed[0] != 1 {
		return 0
	}
	return binary.BigEndian.Uint32(closed[1:5])
}

// seal seals what is to be inserted. It is called once for the rows of a batch, before a
// committer has them.
func (k *DataKeys) seal(b *batch) error {
	if k == nil {
		return nil
	}
	for _, c := range sealedColumns {
		values, n := b[c.table], widths[c.table]
		for at := 0; at < len(values); at += n {
			row := make([]any, len(c.keys))
			for i, place := range c.keys {
				row[i] = values[at+place]
			}
			if err := k.sealArgument(c, &values[at+c.at], row); err != nil {
				return err
			}
		}
	}
	b[tableTerm] = k.maskTerms(b[tableTerm])
	return k.sealQueries(b[tableAudit])
}

func (k *DataKeys) sealArgument(c *sealedColumn, value *any, row []any) error {
	switch v := (*value).(type) {
	case string:
		closed, err := k.sealValue(c, []byte(v), row...)
		*value = string(closed)
		return err
	case []byte:
		closed, err := k.sealValue(c, v, row...)
		*value = closed
		return err
	}
	return issue.New(issue.Exception, "data-key", fmt.Sprintf("a %T cannot be sealed", *value))
}

// What people are searched by is not in the database as it is, but as its HMAC, which a
// search by the same value makes again. A family name is found by its beginning: it has a
// row for each.
const (
	markMasked  = "~mac:" // lower case, as a search by a string folds it
	maskedParam = "identifier"
	maskedStart = "family"
	maxStart    = 32 // runes; a longer name is found by them, and as a whole
)

func masked(kind, param string) bool {
	return kind == "Patient" && (param == maskedParam || param == maskedStart)
}

// mask hides one value of a parameter of Patient.
func (k *DataKeys) mask(param, value string) string {
	sum, err := k.index.ComputePrimaryPRF([]byte(param+"\x00"+value), 16)
	if err != nil {
		panic("store: the index key makes no 16 bytes: " + err.Error()) // its kind was checked when it was read
	}
	return markMasked + hex.EncodeToString(sum)
}

// keyOf is keyOf, masked where the value names a person: a digest of an NHS number alone is
// found again by trying them all. The id in the clear goes into hidden.
func (k *DataKeys) keyOf(of referral.Key, hidden *map[key]key) key {
	plain := keyOf(of)
	if k == nil || of.Kind != referral.KeyPatient && of.Kind != referral.KeyConditional {
		return plain
	}
	if *hidden == nil {
		*hidden = map[key]key{}
	}
	out := k.maskKey(plain)
	(*hidden)[plain] = out
	return out
}

func (k *DataKeys) maskKey(plain key) key { return key(k.mask("key", string(plain))) }

// maskTerms replaces rows of term.
func (k *DataKeys) maskTerms(rows []any) []any {
	const kind, param, value = 1, 2, 4
	n := widths[tableTerm]
	out := make([]any, 0, len(rows))
	for at := 0; at < len(rows); at += n {
		row := rows[at : at+n]
		if !masked(row[kind].(string), row[param].(string)) || strings.HasPrefix(row[value].(string), markMasked) {
			out = append(out, row...)
			continue
		}
		for _, form := range k.masks(row[param].(string), row[value].(string)) {
			out = append(out, row...)
			out[len(out)-n+value] = form
		}
	}
	return out
}

// masks gives what stands for a value: one row, or one for each beginning and one for the
// whole.
func (k *DataKeys) masks(param, value string) []string {
	if param != maskedStart {
		return []string{k.mask(param, value)}
	}
	var list []string
	n := 0
	for at, r := range value {
		if n++; n > maxStart {
			break
		}
		list = append(list, k.mask(param, value[:at+utf8.RuneLen(r)]))
	}
	if n > maxStart {
		list = append(list, k.mask(param, value))
	}
	return list
}

// maskConditions adds to each value of a search what stands for it, since rows from before
// there were keys are as they were. kind is the type that is searched.
func (k *DataKeys) maskConditions(kind string, list []referral.Condition) []referral.Condition {
	if k == nil {
		return list
	}
	list = slices.Clone(list)
	for i, c := range list {
		of := kind
		switch {
		case c.Link != nil && c.Back:
			of = c.Link.From
		case c.Link != nil:
			of = c.Link.To
		}
		if !masked(of, c.Param) {
			continue
		}
		for _, v := range c.Values {
			text := short(v.Text)
			if c.Kind == referral.ParamString {
				text = prefixOf(clean(strings.ToLower(v.Text)))
			}
			if text == "" || v.AnyCode {
				continue // any value
			}
			v.Text = k.mask(c.Param, text)
			list[i].Values = append(slices.Clip(list[i].Values), v)
		}
	}
	return list
}
