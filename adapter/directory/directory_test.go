package directory

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/terminology"
	"spadapter/conformance"
	"spadapter/mappings"
)

// noon is when the tests take place: a Monday.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// shipped is the vocabulary that ships.
func shipped(t testing.TB) *Vocabulary {
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
	v, err := NewVocabulary(codes)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// millbrook is the fictional town in testdata.
func millbrook(t testing.TB) []json.RawMessage {
	t.Helper()
	body, err := os.ReadFile("../../testdata/directory/millbrook.json")
	if err != nil {
		t.Fatal(err)
	}
	p, err := ReadPage(body)
	if err != nil || len(p.Contents) < 15 {
		t.Fatal(len(p.Contents), err)
	}
	return p.Contents
}

// fields is a service with the least that it needs, and more members.
func fields(more string) string {
	if more != "" {
		more = "," + more
	}
	return `{"id":"1","name":"A club","status":"active"` + more + `}`
}
