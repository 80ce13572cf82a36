package store_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/directory"
	"spadapter/adapter/issue"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
	"spadapter/adapter/terminology"
	"spadapter/conformance"
	"spadapter/mappings"
)

// vocabulary is the shipped one.
func vocabulary(t testing.TB) *directory.Vocabulary {
	t.Helper()
	codes, err := terminology.LoadFS(conformance.FS)
	if err != nil {
		t.Fatal(err)
	}
	resources, err := terminology.Resources(mappings.FS, func(name string) bool { return strings.HasPrefix(name, "base/") })
	if err != nil {
		t.Fatal(err)
	}
	if codes, err = codes.With(resources...); err != nil {
		t.Fatal(err)
	}
	v, err := directory.NewVocabulary(codes)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// town is a directory over a store at the time of the tests, which can be moved.
type town struct {
	*directory.Directory
	store *store.Directory
	now   time.Time
}

func newTown(t testing.TB, s *store.Store) *town {
	w := &town{store: s.Directory(), now: epoch}
	w.Directory = directory.New(directory.Config{Store: w.store, Vocabulary: vocabulary(t), Now: func() time.Time { return w.now }})
	return w
}

// service is one service of a feed as JSON; change is merged into it.
func service(id, name string, change map[string]any) map[string]any {
	m := map[string]any{"id": id, "name": name, "status": "active", "url": "https://example.org/" + id, "assured_date": "2026-02-01", "schedules": []any{}}
	for k, v := range change {
		m[k] = v
	}
	return m
}

// at places a service.
func at(id string, latitude, longitude float64, postcode string) []any {
	return []any{map[string]any{"id": "sal-" + id, "location": map[string]any{"id": id, "name": "Hall " + id, "latitude": latitude, "longitude": longitude,
		"addresses": []any{map[string]any{"id": "a", "address_1": "1 High Street", "city": "Millbrook", "postal_code": postcode}}}}}
}

// term classifies a service.
func term(names ...string) []any {
	var out []any
	for i, n := range names {
		out = append(out, map[string]any{"id": fmt.Sprint("a", i), "taxonomy_term": map[string]any{"id": fmt.Sprint("t", i), "name": n, "taxonomy": "local"}})
	}
	return out
}

func source(t testing.TB, list ...map[string]any) directory.Source {
	t.Helper()
	body, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return directory.NewFile(bytes.NewReader(body))
}

// refresh takes a feed over.
func (w *town) refresh(t testing.TB, feed string, list ...map[string]any) *directory.Report {
	t.Helper()
	r, err := w.Refresh(t.Context(), feed, source(t, list...), directory.Options{Force: true})
	if err != nil || r == nil {
		t.Fatalf("refresh: %v, %v", r, explain(err))
	}
	return r
}

// names searches and gives the names found.
func (w *town) names(t testing.TB, s directory.Search) []string {
	t.Helper()
	list := w.search(t, s)
	out := []string{}
	for _, v := range list.Services {
		out = append(out, v.Name)
	}
	return out
}

func (w *town) search(t testing.TB, s directory.Search) *directory.Listing {
	t.Helper()
	if s.Count == 0 {
		s.Count = 50
	}
	if s.MaxPence == 0 {
		s.MaxPence = -1
	}
	list, err := w.Search(t.Context(), s)
	if err != nil {
		t.Fatalf("search %+v: %v", s, explain(err))
	}
	return list
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// What a refresh wrote is found by every one of its properties, and by no other.
func TestDirectoryFinds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := newTown(t, s)
		w.refresh(t, "millbrook",
			service("1", "Tuesday Lunch Club", map[string]any{"attributes": term("Lunch clubs"), "schedules": []any{map[string]any{"id": "s", "freq": "WEEKLY", "byday": "TU", "opens_at": "12:00"}},
				"cost_options": []any{map[string]any{"id": "c", "option": "Meal", "amount": 4.5}}, "service_at_locations": at("hall", 53.80, -1.55, "ZZ1 4AA"), "organization": map[string]any{"id": "o", "name": "Age Friends", "description": "x"}}),
			service("2", "Walking for Health", map[string]any{"attributes": term("Walking groups"), "schedules": []any{map[string]any{"id": "s", "freq": "MONTHLY", "byday": "2SA"}},
				"cost_options": []any{map[string]any{"id": "c", "amount": 0}}, "service_at_locations": at("park", 53.90, -1.55, "ZZ2 1AA"), "languages": []any{map[string]any{"id": "l", "code": "pl", "name": "Polish"}}}),
			service("3", "Debt Line", map[string]any{"attributes": term("Debt advice"), "cost_options": []any{map[string]any{"id": "c", "amount": "0.00"}}}),
			service("4", "Old Museum", map[string]any{"attributes": term("Museums"), "status": "temporarily closed", "service_at_locations": at("museum", 53.81, -1.55, "ZZ1 4AB")}),
		)
		none := directory.Search{}
		same(t, "all", w.names(t, none), "Debt Line", "Tuesday Lunch Club", "Walking for Health")
		same(t, "kind", w.names(t, directory.Search{Kinds: []string{"lunch-club"}}), "Tuesday Lunch Club")
		same(t, "kinds", w.names(t, directory.Search{Kinds: []string{"lunch-club", "debt-advice"}}), "Debt Line", "Tuesday Lunch Club")
		same(t, "need", w.names(t, directory.Search{Needs: []string{"loneliness"}}), "Tuesday Lunch Club", "Walking for Health")
		same(t, "day", w.names(t, directory.Search{Days: []string{"SA"}}), "Walking for Health")
		same(t, "free", w.names(t, directory.Search{Free: true}), "Debt Line", "Walking for Health")
		same(t, "cost", w.names(t, directory.Search{MaxPence: 449}), "Debt Line", "Walking for Health")
		same(t, "cost", w.names(t, directory.Search{MaxPence: 450}), "Debt Line", "Tuesday Lunch Club", "Walking for Health")
		same(t, "language", w.names(t, directory.Search{Languages: []string{"Polish"}}), "Walking for Health")
		same(t, "language", w.names(t, directory.Search{Languages: []string{"PL"}}), "Walking for Health")
		same(t, "words", w.names(t, directory.Search{Text: "lunches clubs"}))
		same(t, "words", w.names(t, directory.Search{Text: "CLUBS, lunch!"}), "Tuesday Lunch Club")
		same(t, "organisation's name", w.names(t, directory.Search{Text: "age friends"}), "Tuesday Lunch Club")
		same(t, "closed", w.names(t, directory.Search{Statuses: []string{"temporarily-closed"}}), "Old Museum")
		same(t, "together", w.names(t, directory.Search{Free: true, Needs: []string{"loneliness"}, Days: []string{"SA", "SU"}}), "Walking for Health")

		near := w.search(t, directory.Search{Near: "ZZ1 4"})
		same(t, "near", w.names(t, directory.Search{Near: "ZZ1 4"}), "Tuesday Lunch Club", "Walking for Health", "Debt Line")
		if near.Near.From != directory.FromSector || near.Near.Latitude < 53.80 || near.Near.Latitude > 53.81 || near.Services[0].DistanceKM == nil || *near.Services[0].DistanceKM != 0.6 || near.Services[2].DistanceKM != nil {
			t.Errorf("%+v, %v", near.Near, *near.Services[0].DistanceKM)
		}
		same(t, "within", w.names(t, directory.Search{Near: "ZZ1 4", WithinKM: 5}), "Tuesday Lunch Club")
		if d := w.search(t, directory.Search{Near: "ZZ1 9"}); d.Near.From != directory.FromDistrict {
			t.Errorf("%+v", d.Near)
		}
		_, err := w.Search(t.Context(), directory.Search{Near: "YY9 9", Count: 1, MaxPence: -1})
		wantIssue(t, err, issue.BusinessRule, "near-unknown")
		if err := w.store.SetSectors(t.Context(), []directory.SectorPoint{{Sector: "ZZ1 4", District: "ZZ1", Point: directory.Point{Latitude: 53.9, Longitude: -1.55}}}); err != nil {
			t.Fatal(err)
		}
		if d := w.search(t, directory.Search{Near: "ZZ1"}); d.Near.From != directory.FromFile || d.Services[0].Name != "Walking for Health" {
			t.Errorf("%+v %s", d.Near, d.Services[0].Name)
		}
	})
}

// Every list goes on where its page ended, by name and by distance, over several feeds.
func TestDirectoryPages(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := newTown(t, s)
		r := rand.New(rand.NewPCG(1, 2))
		for _, feed := range []string{"a", "b"} {
			var list []map[string]any
			for i := range 45 {
				change := map[string]any{"attributes": term("Gardening")}
				if i%5 > 0 { // some at one place, some far, some nowhere
					change["service_at_locations"] = at(fmt.Sprint(feed, i%17), 53.8+float64(i%17)*float64(i%17)*0.02, -1.5+r.Float64()/100, "ZZ1 4AA")
				}
				list = append(list, service(fmt.Sprint(i), fmt.Sprintf("Garden %d", i%20), change))
			}
			w.refresh(t, feed, list...)
		}
		if err := w.store.SetSectors(t.Context(), []directory.SectorPoint{{Sector: "ZZ1 4", District: "ZZ1", Point: directory.Point{Latitude: 53.8, Longitude: -1.5}}}); err != nil {
			t.Fatal(err)
		}
		for _, q := range []directory.Search{{}, {Kinds: []string{"gardening"}, Near: "ZZ1 4"}, {Near: "ZZ1 4", WithinKM: 40}, {Needs: []string{"loneliness", "other"}}} {
			whole := listed(w.search(t, withCount(q, 200)))
			var pieces []string
			for after, n := "", 0; n < 100; n++ {
				q.After = after
				page := w.search(t, withCount(q, 7))
				pieces = append(pieces, listed(page)...)
				if after = page.Next; after == "" {
					break
				}
			}
			if !slices.Equal(whole, pieces) || len(whole) < 20 {
				t.Errorf("%+v: %d at once, %d in pieces", q, len(whole), len(pieces))
			}
			unique := slices.Clone(whole)
			slices.Sort(unique)
			if len(slices.Compact(unique)) != len(whole) {
				t.Errorf("%+v: something is there twice", q)
			}
			last := -1.0
			for _, v := range w.search(t, withCount(q, 200)).Services {
				far := math.Inf(1)
				if v.DistanceKM != nil {
					far = *v.DistanceKM
				}
				if q.Near != "" && far < last {
					t.Errorf("%+v: %f after %f", q, far, last)
				}
				last = far
			}
		}
		page := w.search(t, withCount(directory.Search{}, 7))
		_, err := w.Search(t.Context(), directory.Search{Free: true, Count: 7, MaxPence: -1, After: page.Next})
		wantIssue(t, err, issue.Value, "page-cursor")
	})
}

func withCount(q directory.Search, n int) directory.Search { q.Count = n; q.MaxPence = -1; return q }

func listed(l *directory.Listing) []string {
	var out []string
	for _, v := range l.Services {
		out = append(out, v.ID)
	}
	return out
}
