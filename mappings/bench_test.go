package mappings

import (
	"context"
	"os"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"spadapter/adapter/fhir"
	"spadapter/adapter/mapping"
)

// BenchmarkReferral maps a transaction of eight entries.
func BenchmarkReferral(b *testing.B) {
	bench(b, "ukcore-r4-to-referral", "lonely-after-bereavement", false)
}

func BenchmarkReferralTraced(b *testing.B) {
	bench(b, "ukcore-r4-to-referral", "lonely-after-bereavement", true)
}

func BenchmarkOutcome(b *testing.B) { bench(b, "outcome-to-ukcore-r4", "goals-met", false) }

func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		dialects(b)
	}
}

func bench(b *testing.B, dialect, name string, trace bool) {
	text, err := os.ReadFile(dialect + "/" + name + ".txtar")
	if err != nil {
		b.Fatal(err)
	}
	root, err := fhir.Parse(fhir.Types(fhir.R4), txtar.Parse(text).Files[0].Data, fhir.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	m := dialects(b)[dialect].Map
	in := mapping.Input{Source: root, Identity: name, Now: time.Unix(0, 0), Trace: trace}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Transform(context.Background(), in); err != nil {
			b.Fatal(err)
		}
	}
}
