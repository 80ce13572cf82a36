// Package summary makes one readable page of what a referral came to, as plain text and
// as PDF. Both say the same, in the same order: what the practice is asked to do comes
// first, or that it is nothing. The package knows no FHIR and no life cycle; whoever
// fills a Summary decides what may be said.
//
//	s := &summary.Summary{Title: "Social prescribing: outcome", Sections: []summary.Section{
//		{Heading: "Outcome", Lines: []string{"Goals met"}},
//	}}
//	text := summary.Text(s)
//	pdf, err := summary.PDF(s)
//
// The same Summary gives the same bytes, so that what is sent twice is the same twice.
//
// What it does not do: shape Arabic, Hebrew and other scripts that are joined or written
// from the right. What the font of the PDF cannot show stands there as a replacement
// character, and a line says so; the text form keeps it.
//
// Source: PRSB Social Prescribing Information Standard 1.1, plan and requested actions
// (at the top of any communication, "no actions" is stated); ISO 32000-1 (PDF).
package summary
