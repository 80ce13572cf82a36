package store

import (
	"cmp"
	"database/sql"
	"math"
	"slices"

	"spadapter/adapter/directory"
)

// rings are the distances, in metres, within which a list by distance looks one after
// the other: most pages are full within the first few.
var rings = []float64{1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000}

// byDistance finds one entry more than the page has, the nearest first, and behind
// these, where no distance is demanded, what is nowhere.
func (f *finder) byDistance() ([]*directory.Entry, error) {
	var out []*directory.Entry
	if f.after.Number != placeless {
		hits, err := f.placed()
		if err == nil {
			out, err = f.read(hits)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(out) > f.q.Count || f.q.Within > 0 {
		return out, nil
	}
	rest := *f
	rest.q.Where = append(slices.Clone(f.q.Where), directory.Condition{Param: directory.ParamPlaced, Values: []string{"false"}})
	rest.more = f.more && f.after.Number == placeless
	rest.q.Count = f.q.Count - len(out)
	list, err := rest.byName()
	return append(out, list...), err
}

// placed finds what has a place.
func (f *finder) placed() ([]hit, error) {
	leads := make([]*clause, len(f.loads))
	for i, load := range f.loads {
		if f.q.IDs == nil {
			_, n, err := f.rarest(load)
			if err != nil {
				return nil, err
			}
			if n > rare {
				continue
			}
		}
		w, err := f.lead(load)
		if err != nil {
			return nil, err
		}
		leads[i] = w
	}
	from, err := f.reached()
	if err != nil {
		return nil, err
	}
	for _, radius := range append(slices.Clone(rings), math.Inf(1)) {
		if f.q.Within > 0 {
			radius = min(radius, f.q.Within)
		}
		last := math.IsInf(radius, 1) || radius == f.q.Within
		if radius*1000 < float64(from.mm) && !last {
			continue // the page before ended further away
		}
		out, complete, err := f.ring(leads, radius, from)
		if err != nil {
			return nil, err
		}
		if len(out) > f.q.Count || last || complete {
			return out[:min(len(out), f.q.Count+1)], nil
		}
	}
	return nil, nil // not reached: the last radius is infinite
}

// reached gives the hit that the cursor is at.
func (f *finder) reached() (hit, error) {
	at := hit{load: -1, n: -1, mm: -1}
	if !f.more {
		return at, nil
	}
	at.mm = f.after.Time
	for i, load := range f.loads {
		rows, err := f.d.ask(f.ctx, "SELECT r.n FROM directory_rank r WHERE r.load = ? AND r.id = ?", load, f.after.ID)
		if err != nil {
			return at, fault(err)
		}
		list, err := all(rows, func(rows *sql.Rows) (n int64, err error) { return n, rows.Scan(&n) })
		if err != nil {
			return at, fault(err)
		}
		if len(list) == 1 {
			at.load, at.n = i, list[0]
		}
	}
	return at, nil
}

func byMillimetres(a, b hit) int {
	return cmp.Or(cmp.Compare(a.mm, b.mm), cmp.Compare(a.load, b.load), cmp.Compare(a.n, b.n))
}

// ring gives what is within a radius and behind a hit, the nearest first. complete says
// that there is nothing further away.
func (f *finder) ring(leads []*clause, radius float64, from hit) (out []hit, complete bool, err error) {
	complete = true
	for i, load := range f.loads {
		w := leads[i] // few in all: measured whatever the radius
		text := ""
		if w == nil && math.IsInf(radius, 1) {
			if w, err = f.lead(load); err != nil {
				return nil, false, err
			}
		}
		if w != nil {
			text = "SELECT d.n, p.latitude, p.longitude FROM " + w.from + " CROSS JOIN directory_place p WHERE " + w.text.String() + " AND p.load = d.load AND p.n = d.n"
		} else {
			complete = false
			if w, err = f.around(load, radius); err != nil {
				return nil, false, err
			}
			text = "SELECT d.n, d.latitude, d.longitude FROM directory_place d WHERE " + w.text.String()
		}
		rows, err := f.d.ask(f.ctx, text, w.args...)
		if err != nil {
			return nil, false, fault(err)
		}
		best, err := f.measure(rows)
		if err != nil {
			return nil, false, fault(err)
		}
		for n, mm := range best {
			h := hit{load: i, n: n, mm: mm}
			far := float64(mm) / 1000
			if f.q.Within > 0 && far > f.q.Within || leads[i] == nil && far > radius || byMillimetres(h, from) <= 0 {
				continue
			}
			out = append(out, h)
		}
	}
	slices.SortFunc(out, byMillimetres)
	if !complete { // of the loads that were measured whole, too, only what the others could not come before
		out = slices.DeleteFunc(out, func(h hit) bool { return float64(h.mm)/1000 > radius })
	}
	return out, complete, nil
}

// measure gives how far each entry is, by its nearest place.
func (f *finder) measure(rows *sql.Rows) (map[int64]int64, error) {
	best := map[int64]int64{}
	_, err := all(rows, func(rows *sql.Rows) (struct{}, error) {
		var n int64
		var p directory.Point
		err := rows.Scan(&n, &p.Latitude, &p.Longitude)
		mm := int64(math.Round(directory.Metres(*f.q.Near, p) * 1000))
		if old, seen := best[n]; !seen || mm < old {
			best[n] = mm
		}
		return struct{}{}, err
	})
	return best, err
}

// around writes the conditions for what lies in the bands and longitudes that a circle
// reaches.
func (f *finder) around(load int64, radius float64) (*clause, error) {
	const metresADegree = 111_195 // of a meridian, on the sphere that Metres measures on
	up := radius / metresADegree
	aside := 180.0
	if c := math.Cos((math.Abs(f.q.Near.Latitude) + up) * math.Pi / 180); c > 0.01 {
		aside = min(up/c, 180)
	}
	w := &clause{}
	w.and("d.load = ? AND d.type = ? AND d.band BETWEEN ? AND ?", load, f.q.Type,
		band(max(f.q.Near.Latitude-up, -90)), band(min(f.q.Near.Latitude+up, 90)))
	w.and("d.longitude BETWEEN ? AND ?", f.q.Near.Longitude-aside, f.q.Near.Longitude+aside)
	return w, f.others(w, load, -1)
}
