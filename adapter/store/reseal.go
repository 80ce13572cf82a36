package store

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
)

// resealStep is how many rows one transaction seals: some 2 MB, so that nobody who commits
// waits long.
const resealStep = 200

// Sealing is how far a Reseal has come.
type Sealing struct {
	Table  string // that it is at
	Looked int    // rows that were looked at, of all tables
	Sealed int    // rows that were plain, or sealed with an older key
}

// Reseal seals with the newest key all that is plain or sealed with an older one, and hides
// what people are searched by, a few rows at a time. It may run beside servers that have
// the same keys, and be stopped: the next one passes over what is done. report is called
// after each step, and may be nil. When all is done, the older keys are no longer asked
// for when a program starts. Errors: value without keys; exception for what does not open;
// transient.
func (s *Store) Reseal(ctx context.Context, report func(Sealing)) (Sealing, error) {
	var p Sealing
	if s.db.keys == nil {
		return p, badKeys("no key set was given")
	}
	if report == nil {
		report = func(Sealing) {}
	}
	for _, c := range sealedColumns {
		p.Table = tableColumns[c.table].name
		if err := s.resealColumn(ctx, c, &p, report); err != nil {
			return p, fault(err)
		}
	}
	p.Table = tableColumns[tableKey].name
	if err := s.maskKeys(ctx, &p, report); err != nil {
		return p, fault(err)
	}
	p.Table = tableColumns[tableTerm].name
	for _, param := range []string{maskedParam, maskedStart} {
		if err := s.maskAll(ctx, param, &p, report); err != nil {
			return p, fault(err)
		}
	}
	return p, fault(s.db.inTransaction(ctx, func(tx session) error {
		used, err := usedKeys(ctx, tx)
		for _, id := range used {
			if err == nil && id != strconv.FormatUint(uint64(s.db.keys.primary), 10) && !strings.HasPrefix(id, indexKey) {
				_, err = tx.exec(ctx, "DELETE FROM data_key WHERE id = ?", id)
			}
		}
		return err
	}))
}

// resealed is one row as Reseal reads it.
type resealed struct {
	key   []any
	value []byte
}

func (s *Store) resealColumn(ctx context.Context, c *sealedColumn, p *Sealing, report func(Sealing)) error {
	names := strings.Join(c.key, ", ")
	read := "SELECT " + names + ", " + c.name + " FROM " + p.Table
	order := " ORDER BY " + names + " LIMIT CAST(? AS BIGINT)"
	write := "UPDATE " + p.Table + " SET " + c.name + " = ? WHERE " + strings.Join(c.key, " = ? AND ") + " = ? AND " + c.name + " = ?"
	var last []any
	for {
		text, args := read, last
		if last != nil {
			text += " WHERE (" + names + ") > (" + marks(len(last)) + ")"
		}
		rows, err := s.db.lookUp(ctx, text+order, append(args[:len(args):len(args)], int64(resealStep))...)
		if err != nil {
			return err
		}
		list, err := all(rows, c.scan)
		if err != nil || len(list) == 0 {
			return err
		}
		last = list[len(list)-1].key
		var changes []statement
		for _, r := range list {
			if closed, is := c.sealed(r.value); len(r.value) == 0 || is && sealedWith(closed) == s.db.keys.primary {
				continue
			}
			plain, err := s.db.keys.openValue(c, r.value, r.key...)
			if err != nil {
				return err
			}
			next, err := s.db.keys.sealValue(c, plain, r.key...)
			if err != nil {
				return err
			}
			// what changed since is new, and so sealed
			args := append([]any{c.argument(next)}, r.key...)
			changes = append(changes, statement{text: write, args: append(args, c.argument(r.value))})
		}
		if len(changes) > 0 {
			if err := s.db.inTransaction(ctx, func(tx session) error { return tx.run(ctx, changes) }); err != nil {
				return err
			}
		}
		p.Looked, p.Sealed = p.Looked+len(list), p.Sealed+len(changes)
		report(*p)
		if err := ctx.Err(); err != nil || len(list) < resealStep {
			return err
		}
	}
}

func (c *sealedColumn) scan(rows *sql.Rows) (r resealed, err error) {
	texts, number := make([]string, len(c.key)), int64(0)
	to := make([]any, 0, len(c.key)+1)
	for i, name := range c.key {
		if name == "number" {
			to = append(to, &number)
		} else {
			to = append(to, &texts[i])
		}
	}
	err = rows.Scan(append(to, &r.value)...)
	for i, name := range c.key {
		if name == "number" {
			r.key = append(r.key, number)
		} else {
			r.key = append(r.key, texts[i])
		}
	}
	return r, err
}

// argument is a value as its column takes it.
func (c *sealedColumn) argument(value []byte) any {
	if c.text {
		return string(value)
	}
	return value
}

// selectUnmasked finds what people are searched by in the clear: it begins with anything
// but the mark.
const selectUnmasked = `
SELECT t.id, t.type, t.param, t.system, t.value, t.organisation
FROM term t
WHERE t.type = 'Patient' AND t.param = ? AND (t.value < '` + markMasked + `' OR t.value >= '~mac;')
LIMIT CAST(? AS BIGINT)`

const deleteUnmasked = "DELETE FROM term WHERE id = ? AND type = ? AND param = ? AND system = ? AND value = ? AND organisation = ?"

func (s *Store) maskAll(ctx context.Context, param string, p *Sealing, report func(Sealing)) error {
	for {
		n := 0
		err := s.db.inTransaction(ctx, func(tx session) error {
			rows, err := tx.query(ctx, selectUnmasked+s.db.skipLocked(), param, int64(resealStep))
			if err != nil {
				return err
			}
			list, err := all(rows, func(rows *sql.Rows) (row []any, err error) {
				var v [6]string
				err = rows.Scan(&v[0], &v[1], &v[2], &v[3], &v[4], &v[5])
				for _, text := range v {
					row = append(row, text)
				}
				return row, err
			})
			if err != nil {
				return err
			}
			n = len(list)
			var b batch
			for _, row := range list {
				// one that a newer version of its resource has taken away since is not put back
				gone, err := tx.exec(ctx, deleteUnmasked, row...)
				if err != nil {
					return err
				}
				if gone > 0 {
					b.add(tableTerm, row...)
				}
			}
			return s.db.insert(ctx, tx, &b)
		})
		if err != nil {
			return err
		}
		p.Looked, p.Sealed = p.Looked+n, p.Sealed+n
		report(*p)
		if err := ctx.Err(); err != nil || n < resealStep {
			return err
		}
	}
}

const (
	selectNaming = `
SELECT k.id, k.value FROM key k
WHERE k.id > ? AND k.kind IN ('patient', 'conditional') AND (k.id < '` + markMasked + `' OR k.id >= '~mac;')
ORDER BY k.id LIMIT CAST(? AS BIGINT)`
	updateNaming = "UPDATE key SET id = ?, value = ? WHERE id = ?"
)

// maskKeys gives keys that name a person their masked ids. Their values are sealed, under
// the ids they had.
func (s *Store) maskKeys(ctx context.Context, p *Sealing, report func(Sealing)) error {
	last := ""
	for {
		n := 0
		err := s.db.inTransaction(ctx, func(tx session) error {
			rows, err := tx.query(ctx, selectNaming+s.db.skipLocked(), last, int64(resealStep))
			if err != nil {
				return err
			}
			list, err := all(rows, func(rows *sql.Rows) (row [2]string, err error) { return row, rows.Scan(&row[0], &row[1]) })
			if err != nil {
				return err
			}
			n = len(list)
			for _, row := range list {
				last = row[0]
				id := string(s.db.keys.maskKey(key(row[0])))
				if err := s.db.keys.openText(sealedKey, &row[1], row[0]); err != nil {
					return err
				}
				value, err := s.db.keys.sealValue(sealedKey, []byte(row[1]), id)
				if err != nil {
					return err
				}
				if _, err := tx.exec(ctx, updateNaming, id, string(value), row[0]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		p.Looked, p.Sealed = p.Looked+n, p.Sealed+n
		report(*p)
		if err := ctx.Err(); err != nil || n < resealStep {
			return err
		}
	}
}
