package store

import (
	"context"
	"database/sql"

	"spadapter/adapter/directory"
)

const entryColumns = "e.type, e.id, e.feed, e.version, e.updated, e.withdrawn, e.sort, e.pence, e.listed, e.digest, e.body"

// scanEntry reads the columns of an entry, behind others into before.
func scanEntry(rows *sql.Rows, before ...any) (*directory.Entry, error) {
	e := &directory.Entry{Distance: -1}
	var updated, withdrawn int64
	err := rows.Scan(append(before, &e.Type, &e.ID, &e.Feed, &e.Version, &updated, &withdrawn, &e.Sort, &e.Pence, &e.Listed, &e.Digest, &e.Body)...)
	e.Updated, e.Withdrawn = fromMilli(updated), fromMilli(withdrawn)
	return e, err
}

// loads gives the loads that are visible.
func (d *Directory) loads(ctx context.Context) ([]int64, error) {
	rows, err := d.ask(ctx, "SELECT visible FROM directory_feed WHERE visible <> 0 ORDER BY name")
	if err != nil {
		return nil, fault(err)
	}
	list, err := all(rows, func(rows *sql.Rows) (n int64, err error) { return n, rows.Scan(&n) })
	return list, fault(err)
}

// Entry gives one entry. Errors: not-found, transient.
func (d *Directory) Entry(ctx context.Context, kind, id string) (*directory.Entry, error) {
	loads, err := d.loads(ctx)
	if err != nil {
		return nil, err
	}
	for _, load := range loads {
		found, err := d.entries(ctx, load, []string{clean(id)})
		if err != nil {
			return nil, err
		}
		if len(found) == 1 && found[0].Type == kind {
			return found[0], nil
		}
	}
	return nil, notFound("there is nothing with this id in the directory")
}

// entries reads the entries of a load with those ids, in no order.
func (d *Directory) entries(ctx context.Context, load int64, ids []string) (out []*directory.Entry, err error) {
	ask := func(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
		return d.ask(ctx, text, append([]any{load}, args...)...)
	}
	err = inSteps(ctx, ask, "SELECT "+entryColumns+" FROM directory_entry e WHERE e.load = ? AND e.id IN (", ids, func(rows *sql.Rows) error {
		e, err := scanEntry(rows)
		out = append(out, e)
		return err
	})
	return out, fault(err)
}

// Visible gives the visible entries of the claimed feed among those ids. Errors: transient.
func (d *Directory) Visible(ctx context.Context, c *directory.Claim, kind string, ids []string) ([]*directory.Entry, error) {
	list, err := d.entries(ctx, c.Seen, cleanAll(ids))
	if err != nil {
		return nil, err
	}
	var out []*directory.Entry
	for _, e := range list {
		if e.Type == kind {
			out = append(out, e)
		}
	}
	return out, nil
}

const selectMissing = `
SELECT ` + entryColumns + ` FROM directory_entry e
WHERE e.load = ? AND e.id > ? AND e.type = ?
  AND NOT EXISTS (SELECT 1 FROM directory_entry n WHERE n.load = ? AND n.id = e.id)
ORDER BY e.id LIMIT CAST(? AS BIGINT)`

// Missing gives visible entries of a type that the load of the claim does not have, by
// id after that one, at most n. Errors: transient.
func (d *Directory) Missing(ctx context.Context, c *directory.Claim, kind, after string, n int) ([]*directory.Entry, error) {
	rows, err := d.ask(ctx, selectMissing, c.Seen, after, kind, c.Load, int64(n))
	if err != nil {
		return nil, fault(err)
	}
	list, err := all(rows, func(rows *sql.Rows) (*directory.Entry, error) { return scanEntry(rows) })
	return list, fault(err)
}

const (
	selectSector = `SELECT COUNT(*), COALESCE(AVG(s.latitude), 0), COALESCE(AVG(s.longitude), 0) FROM directory_sector s WHERE s.`
	selectMiddle = `
SELECT COUNT(*), COALESCE(AVG(p.latitude), 0), COALESCE(AVG(p.longitude), 0)
FROM directory_term d CROSS JOIN directory_place p
WHERE d.load = ? AND d.param = ? AND d.value = ? AND p.load = d.load AND p.n = d.n`
)

// Centre gives the middle of a postcode sector, or of a district when sector is "": that
// of the deployment's file, else the mean of the directory's own places in the sector,
// else in the district. false when nothing is known. Errors: transient.
func (d *Directory) Centre(ctx context.Context, sector, district string) (directory.Centre, bool, error) {
	column, value := "sector = ?", sector
	if sector == "" {
		column, value = "district = ?", district
	}
	n, p, err := d.mean(ctx, selectSector+column, value)
	if err != nil || n > 0 {
		return directory.Centre{Point: p, From: directory.FromFile}, n > 0, err
	}
	loads, err := d.loads(ctx)
	if err != nil {
		return directory.Centre{}, false, err
	}
	for _, try := range [][3]string{{directory.ParamSector, sector, directory.FromSector}, {directory.ParamDistrict, district, directory.FromDistrict}} {
		if try[1] == "" {
			continue
		}
		total, sum := 0, directory.Point{}
		for _, load := range loads {
			n, p, err := d.mean(ctx, selectMiddle, load, try[0], try[1])
			if err != nil {
				return directory.Centre{}, false, err
			}
			total += n
			sum.Latitude += p.Latitude * float64(n)
			sum.Longitude += p.Longitude * float64(n)
		}
		if total > 0 {
			p := directory.Point{Latitude: sum.Latitude / float64(total), Longitude: sum.Longitude / float64(total)}
			return directory.Centre{Point: p, From: try[2]}, true, nil
		}
	}
	return directory.Centre{}, false, nil
}

func (d *Directory) mean(ctx context.Context, text string, args ...any) (n int, p directory.Point, err error) {
	rows, err := d.ask(ctx, text, args...)
	if err != nil {
		return 0, p, fault(err)
	}
	n, err = one(rows, func(rows *sql.Rows) (n int, err error) { return n, rows.Scan(&n, &p.Latitude, &p.Longitude) })
	return n, p, fault(err)
}

// SetSectors replaces what is known of postcode sectors, as a whole. Errors: transient.
func (d *Directory) SetSectors(ctx context.Context, list []directory.SectorPoint) error {
	var values []any
	for _, s := range list {
		values = append(values, s.Sector, s.District, s.Latitude, s.Longitude)
	}
	return fault(d.db.inTransaction(ctx, func(tx session) error {
		if _, err := tx.exec(ctx, "DELETE FROM directory_sector"); err != nil {
			return err
		}
		return insertAll(ctx, tx, "directory_sector", "sector, district, latitude, longitude", values)
	}))
}
