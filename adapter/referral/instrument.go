package referral

import (
	"encoding/json"
	"fmt"
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
	HigherIsBetter bool            // a property of the instrument, never assumed
}

// Instruments knows the instruments by their code and by the code of their score.
// It is read-only.
type Instruments struct {
	list    []*Instrument
	byCode  map[string]*Instrument
	byScore map[[2]string]*Instrument
}

// LoadInstruments reads a Bundle of ObservationDefinition resources: identifier is our
// code, code the code of the score, qualifiedInterval of category absolute its range.
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
		for _, e := range d.All("extension") {
			if e.Text("url") == canonical+"/StructureDefinition/higher-is-better" {
				i.HigherIsBetter = e.Text("value") == "true"
			}
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

// Check says whether text is a value of the instrument: a decimal within its range.
// nil when it is; else an issue of type business-rule without place.
func (i *Instrument) Check(text string) *issue.Error {
	// a number as JSON writes it, since it is written into JSON; an exponent could make
	// a short text an enormous number
	if len(text) <= 12 && !strings.ContainsAny(text, "eE\"tfn[{ ") && json.Valid([]byte(text)) {
		if v, err := decimal.NewFromString(text); err == nil && !v.LessThan(i.Low) && !v.GreaterThan(i.High) {
			return nil
		}
	}
	return issue.New(issue.BusinessRule, "instrument-range",
		fmt.Sprintf("a score of %s is a number from %s to %s; correct the value or the code", i.Name, i.Low, i.High)).With("got %q", text)
}

// checkScore applies Check to an Observation, with the place of its value. A score
// without a value is the business of the profile.
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

// Codes lists the codes of the instruments in the order of their Bundle.
func (x *Instruments) Codes() []string {
	out := make([]string, len(x.list))
	for i, in := range x.list {
		out[i] = in.Code
	}
	return out
}
