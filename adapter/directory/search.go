package directory

import (
	"context"
	"strings"

	"spadapter/adapter/issue"
)

// Search asks for services in the words of the JSON API. The values of one list are
// alternatives; everything that is given must hold.
type Search struct {
	Kinds         []string // codes of activity-kind
	Needs         []string // codes of need
	Days          []string // MO to SU
	Accessibility []string // codes of accessibility; each must hold
	Languages     []string // codes (BCP 47) or names
	Statuses      []string // default active
	Organisation  string   // id
	Text          string   // words, which must all occur
	Free          bool
	MaxPence      int64  // the most that somebody pays; -1 for any
	Near          string // postcode sector or district, "" for anywhere
	WithinKM      float64
	Count         int
	After         string
}

// Listing is a page of a search.
type Listing struct {
	Services []View
	Next     string
	Near     *Near
	Feeds    []FeedView
}

// Near says from where distances are.
type Near struct {
	Area string `json:"area"` // the sector or district that was asked for
	From string `json:"from"` // how its middle is known
	Point
}

// maxSearchWords bounds the words of one search.
const maxSearchWords = 10

// Search finds services: by distance where it says Near, by name otherwise.
//
// Errors: value for a parameter that cannot be; business-rule when the place is not known;
// transient.
func (d *Directory) Search(ctx context.Context, s Search) (*Listing, error) {
	q, err := d.query(s)
	if err != nil {
		return nil, err
	}
	out := &Listing{}
	if s.Near != "" {
		if out.Near, err = d.Locate(ctx, s.Near); err != nil {
			return nil, err
		}
		q.Near, q.Within = &out.Near.Point, s.WithinKM*1000
	}
	found, err := d.Store.Find(ctx, q)
	if err != nil {
		return nil, err
	}
	feeds, err := d.Store.Feeds(ctx)
	if err != nil {
		return nil, err
	}
	out.Next = found.Next
	for _, f := range feeds {
		out.Feeds = append(out.Feeds, feedView(f))
	}
	for _, e := range found.Entries {
		v, err := d.view(e)
		if err != nil {
			return nil, err
		}
		if q.Near != nil {
			v.near(e, *q.Near)
		}
		out.Services = append(out.Services, *v)
	}
	return out, nil
}

// query checks the words of a search.
func (d *Directory) query(s Search) (Query, error) {
	q := Query{Type: TypeService, Pence: s.MaxPence, Count: s.Count, After: s.After}
	var faults []*issue.Error
	codes := func(param, system, conceptMap string, values []string) {
		for _, v := range values {
			if !d.Vocabulary.Knows(system, v) {
				faults = append(faults, issue.Newf(issue.Value, "search-"+param, "%s has no such code; there are %s", param, strings.Join(d.Vocabulary.codesOf(conceptMap), ", ")).
					At("http."+param).With("%s is %.100q", param, v))
				return
			}
		}
	}
	where := func(param string, values ...string) {
		if len(values) > 0 {
			q.Where = append(q.Where, Condition{param, values})
		}
	}
	codes(ParamKind, SystemKind, mapKind, s.Kinds)
	codes(ParamNeed, SystemNeed, mapNeed, s.Needs)
	codes(ParamAccess, SystemAccessibility, mapAccessibility, s.Accessibility)
	if len(s.Statuses) == 0 {
		s.Statuses = []string{StatusActive}
	}
	where(ParamStatus, s.Statuses...)
	if s.Free {
		where(ParamFree, "true")
	}
	where(ParamNeed, s.Needs...)
	where(ParamDay, s.Days...)
	where(ParamKind, s.Kinds...)
	for _, a := range s.Accessibility {
		where(ParamAccess, a)
	}
	var languages []string
	for _, l := range s.Languages {
		languages = union(languages, languageTerms(l))
	}
	where(ParamLanguage, languages...)
	if s.Organisation != "" {
		where(scoped(TypeService, ParamOrganisation), s.Organisation)
	}
	if s.Text != "" {
		list := Words(s.Text)
		switch {
		case len(list) == 0:
			faults = append(faults, issue.New(issue.Value, "search-q", "q has no word that could be looked for").At("http.q").With("q is %.100q", s.Text))
		case len(list) > maxSearchWords:
			faults = append(faults, issue.Newf(issue.TooCostly, "search-q", "q may have at most %d words", maxSearchWords).At("http.q"))
			list = nil
		}
		for _, w := range list {
			where(ParamWord, w)
		}
	}
	return q, issue.Join(faults)
}

// Locate gives the middle of a postcode sector or district. Errors: value; business-rule
// when nothing is known of it.
func (d *Directory) Locate(ctx context.Context, area string) (*Near, error) {
	sector, district, err := Sector(area)
	if err != nil {
		return nil, err
	}
	c, ok, err := d.Store.Centre(ctx, sector, district)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, issue.New(issue.BusinessRule, "near-unknown", "where this postcode sector is, is not known here: no service of the directory is in it or in its district, and no file of postcodes has it; load one with adapter services postcodes").
			At("http.near").With("near is %.40q", area)
	}
	n := &Near{Area: sector, From: c.From, Point: c.Point}
	if sector == "" {
		n.Area = district
	}
	return n, nil
}

// Service gives one service by its id. Errors: not-found.
func (d *Directory) Service(ctx context.Context, id string) (*View, error) {
	e, err := d.Store.Entry(ctx, TypeService, id)
	if err != nil {
		return nil, err
	}
	return d.view(e)
}

// languageTerms are the forms in which a language may be known: as it was given, and its
// code when it is a name that this program knows, or the reverse.
func languageTerms(text string) []string {
	text = fold(text)
	out := []string{text}
	for _, l := range languages {
		if l[0] == text || l[1] == text {
			out = union(out, l[:])
		}
	}
	// "pt-br" is also "pt"
	if base, _, cut := strings.Cut(text, "-"); cut && len(base) == 2 {
		out = union(out, languageTerms(base))
	}
	return out
}

// languages are the codes and names of languages spoken in England and Wales by more
// than a few thousand people. Source: ISO 639-1, census 2021 TS024.
var languages = [][]string{{"en", "english"}, {"cy", "welsh"}, {"pl", "polish"}, {"ro", "romanian"}, {"pa", "punjabi"}, {"pa", "panjabi"}, {"ur", "urdu"},
	{"pt", "portuguese"}, {"es", "spanish"}, {"ar", "arabic"}, {"bn", "bengali"}, {"bn", "sylheti"}, {"gu", "gujarati"}, {"it", "italian"}, {"ta", "tamil"},
	{"fr", "french"}, {"lt", "lithuanian"}, {"zh", "chinese"}, {"zh", "mandarin"}, {"yue", "cantonese"}, {"tr", "turkish"}, {"bg", "bulgarian"}, {"ru", "russian"},
	{"fa", "persian"}, {"fa", "farsi"}, {"hu", "hungarian"}, {"el", "greek"}, {"ku", "kurdish"}, {"so", "somali"}, {"sq", "albanian"}, {"de", "german"},
	{"hi", "hindi"}, {"ml", "malayalam"}, {"te", "telugu"}, {"ne", "nepali"}, {"sk", "slovak"}, {"cs", "czech"}, {"lv", "latvian"}, {"uk", "ukrainian"},
	{"ti", "tigrinya"}, {"am", "amharic"}, {"ps", "pashto"}, {"vi", "vietnamese"}, {"tl", "tagalog"}, {"yo", "yoruba"}, {"ig", "igbo"}, {"sw", "swahili"},
	{"nl", "dutch"}, {"ja", "japanese"}, {"ko", "korean"}, {"th", "thai"}, {"si", "sinhala"}, {"yi", "yiddish"}, {"he", "hebrew"}, {"bfi", "british sign language"},
	{"bfi", "bsl"}}
