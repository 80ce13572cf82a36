package summary

import (
	"testing"
	"time"
)

func sample() *Summary {
	return &Summary{
		Title: "Social prescribing: outcome", Lead: []string{"Written by Millbrook Link Workers (synthetic) on 2 March 2026."},
		Requested: []string{"Review the sleeping tablets"},
		Sections: []Section{
			{"Person", []string{"Name: Zoë Łukasz Nguyễn (synthetic)", "Date of birth: 1950-05-12", "NHS number: 999 000 0018"}},
			{"Outcome", []string{"Goals met.", "Not feeling lonely (SNOMED CT 1230392000)", "Goes to the lunch club every week.\nAnd likes it."}},
			{"Scores, first and last", []string{"SWEMWBS 17 to 25 (+8, better)"}},
		},
		Running: "Zoë Łukasz Nguyễn (synthetic), born 1950-05-12, NHS number 999 000 0018",
		Footer:  "Referral 01960000-0000-7000-8000-000000000001, version 7, 2026-03-02 14:05 UTC", Author: "Millbrook Link Workers (synthetic)",
		At: time.Date(2026, 3, 2, 14, 5, 0, 0, time.UTC),
	}
}

func BenchmarkText(b *testing.B) {
	b.ReportAllocs()
	s := sample()
	for b.Loop() {
		Text(s)
	}
}

func BenchmarkPDF(b *testing.B) {
	b.ReportAllocs()
	s := sample()
	for b.Loop() {
		if _, err := PDF(s); err != nil {
			b.Fatal(err)
		}
	}
}
