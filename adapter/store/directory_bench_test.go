package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"spadapter/adapter/directory"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

// country is a Source of many made-up services, spread over an area of 400 by 500 km
// with towns in it.
type country struct {
	n   int
	rng *rand.Rand
}

func (c *country) Unchanged(context.Context) (bool, error) { return false, nil }
func (c *country) State() string                           { return "" }
func (c *country) Details(context.Context, string) ([]byte, error) {
	panic("every service has its parts")
}

// The words that services are made of: some are rare.
var (
	countryKinds = []string{"Lunch clubs", "Walking groups", "Gardening", "Museums", "Libraries", "Debt advice", "Welfare benefits", "Befriending", "Craft groups", "Exercise classes"}
	countryRare  = []string{"Art galleries", "Bereavement support", "Employment support"}
)

func (c *country) Page(_ context.Context, n int) (*directory.Page, error) {
	const size = 500
	p := &directory.Page{Number: n, TotalItems: c.n, TotalPages: (c.n + size - 1) / size}
	for i := (n - 1) * size; i < min(n*size, c.n); i++ {
		town := c.rng.IntN(400)
		lat := 50.5 + float64(town%20)*0.2 + c.rng.NormFloat64()*0.03
		long := -4 + float64(town/20)*0.3 + c.rng.NormFloat64()*0.05
		kind := countryKinds[c.rng.IntN(len(countryKinds))]
		if c.rng.IntN(100) == 0 {
			kind = countryRare[c.rng.IntN(len(countryRare))]
		}
		change := map[string]any{
			"description": "A weekly meeting in town " + strconv.Itoa(town) + " for everybody who would like company and something to do, with tea, coffee and a friendly welcome.",
			"attributes":  term(kind), "schedules": []any{map[string]any{"id": "s", "freq": "WEEKLY", "byday": directory.Weekdays[c.rng.IntN(7)], "opens_at": "10:00"}},
			"cost_options": []any{map[string]any{"id": "c", "amount": c.rng.IntN(4)}}, "organization": map[string]any{"id": strconv.Itoa(town), "name": "Charity " + strconv.Itoa(town), "description": "x"},
		}
		if c.rng.IntN(20) > 0 {
			change["service_at_locations"] = at(strconv.Itoa(i), lat, long, fmt.Sprintf("ZZ%d %dAA", town%90+1, town%10))
		}
		raw, err := json.Marshal(service(strconv.Itoa(i), fmt.Sprintf("%s of town %d number %d", kind, town, i), change))
		if err != nil {
			return nil, err
		}
		p.Contents = append(p.Contents, raw)
	}
	return p, nil
}

// load fills a directory with so many services.
func load(t testing.TB, s *store.Store, n int) *town {
	w := newTown(t, s)
	if _, err := w.Refresh(t.Context(), "country", &country{n: n, rng: rand.New(rand.NewPCG(7, 8))}, directory.Options{Force: true}); err != nil {
		t.Fatal(explain(err))
	}
	return w
}

// countrySearches are pages that people ask for, by name.
var countrySearches = map[string]directory.Search{
	"all":              {},
	"kind":             {Kinds: []string{"lunch-club"}},
	"rare kind":        {Kinds: []string{"gallery"}},
	"need day free":    {Needs: []string{"loneliness"}, Days: []string{"TU"}, Free: true},
	"words":            {Text: "gardening town 17"},
	"cost":             {MaxPence: 100, Kinds: []string{"gardening"}},
	"near":             {Near: "ZZ10 9"},
	"near kind":        {Near: "ZZ10 9", Kinds: []string{"walking-group"}},
	"near rare kind":   {Near: "ZZ10 9", Kinds: []string{"gallery"}},
	"near 5 km day":    {Near: "ZZ10 9", WithinKM: 5, Days: []string{"TU", "WE"}},
	"near 25 km needs": {Near: "ZZ10 9", WithinKM: 25, Needs: []string{"money-debt", "loneliness"}, Free: true},
}

// BenchmarkDirectory asks for pages of 50 of 100,000 services; DIRECTORY_SERVICES sets
// another number.
func BenchmarkDirectory(b *testing.B) {
	n := 100_000
	if text := os.Getenv("DIRECTORY_SERVICES"); text != "" {
		n, _ = strconv.Atoi(text)
	}
	databases := map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres}
	for _, name := range []string{"sqlite", "postgres"} {
		url := databases[name](b)
		if url == "" {
			continue
		}
		w := load(b, storetest.Open(b, url), n)
		var names []string
		for what := range countrySearches {
			names = append(names, what)
		}
		slices.Sort(names)
		for _, what := range names {
			b.Run(name+"/"+what, func(b *testing.B) {
				q := withCount(countrySearches[what], 50)
				if countrySearches[what].MaxPence > 0 {
					q.MaxPence = countrySearches[what].MaxPence
				}
				for b.Loop() {
					if _, err := w.Search(b.Context(), q); err != nil {
						b.Fatal(explain(err))
					}
				}
			})
		}
	}
}

// BenchmarkDirectoryImport takes a feed of 2,000 services over.
func BenchmarkDirectoryImport(b *testing.B) {
	for _, name := range []string{"sqlite", "postgres"} {
		b.Run(name, func(b *testing.B) {
			url := map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres}[name](b)
			if url == "" {
				return
			}
			s := storetest.Open(b, url)
			for b.Loop() {
				load(b, s, 2000)
			}
			b.ReportMetric(2000*float64(b.N)/b.Elapsed().Seconds(), "services/s")
		})
	}
}
