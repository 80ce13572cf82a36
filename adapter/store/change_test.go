package store

import (
	"fmt"
	"testing"

	"spadapter/adapter/referral"
)

// TestPrepareManyVersions: in a change of any size the last version of a resource is
// current, and only the first one builds on what is stored.
func TestPrepareManyVersions(t *testing.T) {
	for _, resources := range []int{1, 3, 10, 11, 50_000} {
		c := &referral.Change{Organisation: "A83002"}
		for number := 2; number <= 4; number++ {
			for i := range resources {
				c.Versions = append(c.Versions, referral.Version{Type: "Observation", ID: fmt.Sprint("o", i), Number: number})
			}
		}
		p, err := prepare(c, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.builds) != resources {
			t.Fatalf("%d resources: %d builds", resources, len(p.builds))
		}
		for i, b := range p.builds {
			if b.id != fmt.Sprint("o", i) || b.number != 1 {
				t.Fatalf("%d resources: build %d is %+v", resources, i, b)
			}
		}
		const currentIn = 5
		rows := p.rows[tableResource]
		for i := range c.Versions {
			want := flag(i >= 2*resources)
			if got := rows[i*widths[tableResource]+currentIn]; got != want {
				t.Fatalf("%d resources: version %d has current %v", resources, i, got)
			}
		}
	}
}
