package referral

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Instrument is a questionnaire with a score, such as SWEMWBS.
type Instrument struct {
	Code           string // "swemwbs"
	Name           string // short, for people
	System         string // code system and code of its score
	ScoreCode      string
	Display        string
	Low, High      decimal.Decimal // inclusive
	Places         int32           // decimal places that a score may have; 0 is a whole number
	HigherIsBetter bool            // a property of the instrument, never assumed
	Change         string          // minimal important change in points, "" when no source states one

	// metric are the scores that a raw sum is converted to, where the instrument has both:
	// a whole number is raw then, and any other must be one of these. nil for most.
	metric map[string]bool
}

// Instruments knows the instruments by their code and by the code of their score.
// It is read-only.
type Instruments struct {
	list    []*Instrument
	byCode  map[string]*Instrument
	byScore map[[2]string]*Instrument
}

// LoadInstruments reads a Bundle of ObservationDefinition resources: identifier is our
// code, code the code of the score, qualifiedInterval of category absolute its range,
// decimalPrecision its places, and the extensions of conformance/extensions the rest.
// Errors: required and value, naming the resource.
// Source: http://hl7.org/fhir/R4/observationdefinition.html.
func LoadInstruments(bundle *fhir.Node) (*Instruments, error) {
	x := &Instruments{byCode: map[string]*Instrument{}, byScore: map[[2]string]*Instrument{}}
	for _, entry := range bundle.All("entry") {
		d := entry.Child("resource")
		if d.ResourceType() != "ObservationDefinition" {
			continue
		}
		i := &Instrument{
			Code: d.Text("identifier", "value"), Name: d.Text("preferredReportName"),
			System: d.Text("code", "coding", "system"), ScoreCode: d.Text("code", "coding", "code"), Display: d.Text("code", "coding", "display"),
		}
		if places := d.Text("quantitativeDetails", "decimalPrecision"); places != "" {
			n, err := strconv.ParseInt(places, 10, 8)
			if err != nil || n < 0 {
				return nil, issue.New(issue.Value, "instrument", "decimalPrecision is a whole number, 0 or more").At(d.Path())
			}
			i.Places = int32(n)
		}
		if err := i.extend(d); err != nil {
			return nil, err
		}
		for _, interval := range d.All("qualifiedInterval") {
			if interval.Text("category") != "absolute" {
				continue
			}
			var errLow, errHigh error
			i.Low, errLow = decimal.NewFromString(interval.Text("range", "low", "value"))
			i.High, errHigh = decimal.NewFromString(interval.Text("range", "high", "value"))
			if errLow != nil || errHigh != nil {
				return nil, issue.New(issue.Value, "instrument", "an absolute interval of an ObservationDefinition needs low and high").At(interval.Path())
			}
		}
		if i.Code == "" || i.System == "" || i.ScoreCode == "" || !i.High.GreaterThan(i.Low) {
			return nil, issue.New(issue.Required, "instrument", "an ObservationDefinition needs identifier, code and an absolute interval").At(d.Path())
		}
		x.list = append(x.list, i)
		x.byCode[i.Code] = i
		x.byScore[[2]string{i.System, i.ScoreCode}] = i
	}
	return x, nil
}

// extend reads the extensions of a definition.
func (i *Instrument) extend(d *fhir.Node) error {
	for _, e := range d.All("extension") {
		url, _ := strings.CutPrefix(e.Text("url"), canonical+"/StructureDefinition/")
		switch url {
		case "higher-is-better":
			i.HigherIsBetter = e.Text("value") == "true"
		case "important-change":
			for _, part := range e.All("extension") {
				if part.Text("url") == "value" {
					i.Change = part.Text("value")
				}
			}
		case "score-conversion":
			for _, part := range e.All("extension") {
				if part.Text("url") != "metric" {
					continue
				}
				v, err := decimal.NewFromString(part.Text("value"))
				if err != nil {
					return issue.New(issue.Value, "instrument", "the metric score of a conversion is a number").At(part.Path())
				}
				if i.metric == nil {
					i.metric = map[string]bool{}
				}
				i.metric[v.String()] = true
			}
		}
	}
	return nil
}

// Scoring says whether a score is raw or metric, where the instrument has both; "" else.
// text must be a value of the instrument.
func (i *Instrument) Scoring(text string) string {
	v, err := decimal.NewFromString(text)
	switch {
	case i.metric == nil || err != nil:
		return ""
	case v.IsInteger():
		return "raw"
	}
	return "metric"
}

// ByCode finds an instrument by our code, nil when there is none.
func (x *Instruments) ByCode(code string) *Instrument { return x.byCode[code] }

// Of finds the instrument whose score an Observation is, nil when it is none.
func (x *Instruments) Of(observation *fhir.Node) *Instrument {
	for _, c := range observation.Child("code").All("coding") {
		if i := x.byScore[[2]string{c.Text("system"), c.Text("code")}]; i != nil {
			return i
		}
	}
	return nil
}

// Check says whether text is a value of the instrument: a number within its range, with
// no more places than it has, or a metric score of its conversion. nil when it is; else
// an issue of type business-rule without place.
func (i *Instrument) Check(text string) *issue.Error {
	kind := "a number"
	switch {
	case i.metric != nil:
		kind = "a whole number, or the metric score of one,"
	case i.Places == 0:
		kind = "a whole number"
	}
	refuse := func(rule, more string) *issue.Error {
		return issue.New(issue.BusinessRule, rule,
			fmt.Sprintf("a score of %s is %s from %s to %s%s; correct the value or the code", i.Name, kind, i.Low, i.High, more)).With("got %q", text)
	}
	// a number as JSON writes it, since it is written into JSON; an exponent could make
	// a short text an enormous number
	if len(text) > 12 || strings.ContainsAny(text, "eE\"tfn[{ ") || !json.Valid([]byte(text)) {
		return refuse("instrument-range", "")
	}
	v, err := decimal.NewFromString(text)
	switch {
	case err != nil || v.LessThan(i.Low) || v.GreaterThan(i.High):
		return refuse("instrument-range", "")
	case v.IsInteger() || i.metric[v.String()]:
		return nil
	case i.metric != nil:
		return refuse("instrument-precision", "")
	case !v.Equal(v.Truncate(i.Places)):
		if i.Places > 0 {
			return refuse("instrument-precision", fmt.Sprintf(", with at most %d decimal places", i.Places))
		}
		return refuse("instrument-precision", "")
	}
	return nil
}

// checkScores applies Check to an Observation and to its components, such as the four
// answers of a panel, with the place of each value. A score without a value is the
// business of the profile.
func (x *Instruments) checkScores(observation *fhir.Node) []*issue.Error {
	var out []*issue.Error
	if e := x.checkScore(observation); e != nil {
		out = append(out, e)
	}
	for _, c := range observation.Children {
		if c.Name != "component" {
			continue
		}
		if e := x.checkScore(c); e != nil {
			out = append(out, e)
		}
	}
	return out
}

// checkScore checks the value and unit that stand beside a code, in an Observation or component.
func (x *Instruments) checkScore(observation *fhir.Node) *issue.Error {
	i := x.Of(observation)
	if i == nil {
		return nil
	}
	value := observation.Child("value")
	if value == nil {
		return nil
	}
	text := value.Value
	if value.Name == "valueQuantity" {
		if code := value.Child("code"); code != nil && code.HasValue() && value.Text("system") == systemUCUM && !countsPoints(code.Value) {
			return issue.Newf(issue.BusinessRule, "instrument-unit", "a score of %s is counted in points, and this is another unit; send the code {score} or 1 of UCUM, or a value without code", i.Name).
				With("code %q", code.Value).At(code.Path()).On(code.Position())
		}
		if value = value.Child("value"); value == nil {
			return nil
		}
		text = value.Value
	} else if value.Name != "valueInteger" {
		return issue.Newf(issue.BusinessRule, "instrument-type", "a score of %s is a valueQuantity or valueInteger", i.Name).
			At(value.Path()).On(value.Position())
	}
	if e := i.Check(text); e != nil {
		return e.At(value.Path()).On(value.Position())
	}
	return nil
}

const systemUCUM = "http://unitsofmeasure.org"

// countsPoints reports whether a code of UCUM is of the unity: 1, or an annotation such as
// {score}, or both. A part of a range such as /27 is not: 5 /27 is the number 5/27.
// Source: https://ucum.org/ucum#section-Character-Set-and-Lexical-Rules, curly braces.
func countsPoints(code string) bool {
	note := strings.TrimPrefix(code, "1")
	return code == "1" || len(note) > 2 && note[0] == '{' && strings.IndexByte(note, '}') == len(note)-1 && strings.LastIndexByte(note, '{') == 0
}

// Codes lists the codes of the instruments in the order of their Bundle.
func (x *Instruments) Codes() []string {
	out := make([]string, len(x.list))
	for i, in := range x.list {
		out[i] = in.Code
	}
	return out
}
