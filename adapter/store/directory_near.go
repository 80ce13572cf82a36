package store

import (
	"database/sql"
	"math"
	"slices"
	"strings"

	"spadapter/adapter/directory"
)

// rings are the distances, in metres, within which a list by distance looks one after
// the other: most pages are full within the first.
var rings = []float64{1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000}

// byDistance finds one hit more than the page has, the nearest first, and behind these,
// where no distance is demanded, what is nowhere.
func (f *finder) byDistance() ([]hit, error) {
	var out []hit
	var err error
	if f.after.Number != placeless {
		if out, err = f.placed(); err != nil {
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
	rare := f.q.IDs != nil
	for i, load := range f.loads {
		if !rare {
			_, n, err := f.rarest(load)
			if err != nil {
				return nil, err
			}
			if n > few {
				continue
			}
		}
		w, err := f.lead(load)
		if err != nil {
			return nil, err
		}
		leads[i] = w
	}
	from := float64(0)
	if f.more {
		from = float64(f.after.Time) / 1000
	}
	for _, radius := range append(slices.Clone(rings), math.Inf(1)) {
		if f.q.Within > 0 {
			radius = min(radius, f.q.Within)
		}
		last := math.IsInf(radius, 1) || radius == f.q.Within
		if radius < from && !last {
			continue // the page before ended further away
		}
		out, complete, err := f.ring(leads, radius)
		if err != nil {
			return nil, err
		}
		if len(out) > f.q.Count || last || complete {
			return out[:min(len(out), f.q.Count+1)], nil
		}
	}
	return nil, nil // the last radius is infinite
}

// ring gives what is within a radius, the nearest first and after the cursor. complete
// says that there is nothing further away.
func (f *finder) ring(leads []*clause, radius float64) (out []hit, complete bool, err error) {
	complete = true
	best := map[string]hit{}
	for i, load := range f.loads {
		text, args := "", []any(nil)
		switch {
		case leads[i] != nil: // few in all: measured whatever the radius
			text, args = everywhere(leads[i])
		case math.IsInf(radius, 1):
			w, err := f.lead(load)
			if err != nil {
				return nil, false, err
			}
			text, args = everywhere(w)
		default:
			complete = false
			w := f.around(load, radius)
			text = "SELECT d.id, d.sort, d.location, d.latitude, d.longitude FROM directory_place d WHERE " + w.text.String()
			args = w.args
		}
		rows, err := f.d.ask(f.ctx, text, args...)
		if err != nil {
			return nil, false, fault(err)
		}
		if err := f.measure(rows, load, best); err != nil {
			return nil, false, fault(err)
		}
	}
	for _, h := range best {
		far := float64(h.mm) / 1000
		if f.q.Within > 0 && far > f.q.Within || !complete && far > radius {
			continue
		}
		if f.more && f.after.Number != placeless && (h.mm < f.after.Time || h.mm == f.after.Time && h.id <= f.after.ID) {
			continue
		}
		out = append(out, h)
	}
	slices.SortFunc(out, func(a, b hit) int {
		switch {
		case a.mm != b.mm && a.mm < b.mm:
			return -1
		case a.mm != b.mm:
			return 1
		}
		return strings.Compare(a.id, b.id)
	})
	return out, complete, nil
}

// everywhere asks for all places of what a clause finds.
func everywhere(w *clause) (string, []any) {
	return "SELECT d.id, d.sort, p.location, p.latitude, p.longitude FROM " + w.from + " CROSS JOIN directory_place p WHERE " + w.text.String() +
		" AND p.load = d.load AND p.id = d.id", w.args
}

// measure keeps the nearest place of each id.
func (f *finder) measure(rows *sql.Rows, load int64, best map[string]hit) error {
	_, err := all(rows, func(rows *sql.Rows) (struct{}, error) {
		h := hit{load: load}
		var p directory.Point
		err := rows.Scan(&h.id, &h.sort, &h.location, &p.Latitude, &p.Longitude)
		h.mm = int64(math.Round(directory.Metres(*f.q.Near, p) * 1000))
		old, seen := best[h.id]
		if !seen || h.mm < old.mm || h.mm == old.mm && h.location < old.location {
			best[h.id] = h
		}
		return struct{}{}, err
	})
	return err
}

// around writes the conditions for what lies in the bands and longitudes that a circle
// reaches.
func (f *finder) around(load int64, radius float64) *clause {
	const metresADegree = 111_195 // of a meridian, on the sphere that Metres measures on
	up := radius / metresADegree
	aside := 180.0
	if c := math.Cos((math.Abs(f.q.Near.Latitude) + up) * math.Pi / 180); c > 0.01 {
		aside = min(up/c, 180)
	}
	var bands []any
	for b := band(max(f.q.Near.Latitude-up, -90)); b <= band(min(f.q.Near.Latitude+up, 90)); b++ {
		bands = append(bands, b)
	}
	for n := len(bands); n&(n-1) != 0; n++ { // few different texts, so that they stay prepared
		bands = append(bands, bands[len(bands)-1])
	}
	w := &clause{}
	w.and("d.load = ? AND d.type = ? AND d.band IN ("+marks(len(bands))+")", append([]any{load, f.q.Type}, bands...)...)
	w.and("d.longitude BETWEEN ? AND ?", f.q.Near.Longitude-aside, f.q.Near.Longitude+aside)
	f.others(w, -1)
	return w
}
