package mappings

import (
	"bytes"
	"context"
	"os"
	"sync"
	"testing"

	"golang.org/x/tools/txtar"

	"spadapter/adapter/fhir"
	"spadapter/adapter/mapping"
)

// TestOneSourceForMany: a parsed message is shared by what reads it, and a map by every
// request; run with -race.
func TestOneSourceForMany(t *testing.T) {
	text, err := os.ReadFile("ukcore-r4-to-referral/lonely-after-bereavement.txtar")
	if err != nil {
		t.Fatal(err)
	}
	root, err := fhir.Parse(fhir.Types(fhir.R4), txtar.Parse(text).Files[0].Data, fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	request := root.All("entry")[0].Child("resource")
	for _, e := range root.All("entry") {
		if r := e.Child("resource"); r.ResourceType() == "ServiceRequest" {
			request = r
		}
	}
	alone, err := fhir.Parse(fhir.Types(fhir.R4), fhir.Encode(request), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	d := dialects(t)["ukcore-r4-to-referral"]
	in := mapping.Input{Source: root, Trace: true}
	first, err := d.Convert(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	want := fhir.Encode(first.Target)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 20 {
				result, err := d.Convert(context.Background(), in)
				if err != nil || !bytes.Equal(fhir.Encode(result.Target), want) {
					t.Errorf("another result: %v", err)
					return
				}
				if _, ok := first.Origin(first.Target.Child("type")); !ok {
					t.Error("no rule made the type")
				}
				if _, err := d.Convert(context.Background(), mapping.Input{Source: alone}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
}
