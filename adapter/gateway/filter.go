package gateway

import (
	"slices"
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// filtering is the query of a worklist on its way to a Filter.
type filtering struct {
	filter referral.Filter
	faults []*issue.Error
	codes  func(system string) []string // of a code system of this program
}

// filterParameters are what a worklist takes. NHS number and name are not among them: a
// URL is kept in logs and histories, and names nobody.
var filterParameters = []struct {
	name string
	read func(f *filtering, p parameter)
}{
	{"status", func(f *filtering, p parameter) { f.filter.Status = f.list(p, "codes of Task.status", taskStatuses()) }},
	{"business_status", func(f *filtering, p parameter) {
		f.filter.Business = f.list(p, "codes of business-status", f.codes(referral.SystemBusinessStatus))
	}},
	{"owner", func(f *filtering, p parameter) {
		if f.filter.Owner = strings.ToUpper(p.value); p.value == "" || strings.Contains(p.value, ",") {
			f.wrong(p, "owner must be the ODS code of one organisation, or - for what nobody owns; leave the parameter out for all")
		}
	}},
	{"practice", func(f *filtering, p parameter) {
		f.filter.Practices = strings.Split(strings.ToUpper(p.value), ",")
		if slices.Contains(f.filter.Practices, "") {
			f.wrong(p, "practice must be ODS codes of practices with commas between; leave the parameter out for all")
		} else if len(f.filter.Practices) > maxAlternatives {
			f.wrong(p, "practice names too many organisations")
		}
	}},
	{"patient", func(f *filtering, p parameter) {
		f.filter.Patient = strings.TrimPrefix(p.value, "Patient/")
		switch {
		case f.filter.Patient == "":
			f.wrong(p, "patient must be the id of a Patient; leave the parameter out for all")
		case tenDigits(f.filter.Patient): // the value is repeated nowhere
			f.faults = append(f.faults, issue.New(issue.Value, "filter", "patient is the id of a Patient, as links.patient of an item has it; an NHS number is never taken in an address, since addresses are kept in logs").At("http.patient"))
		}
	}},
	{"need", func(f *filtering, p parameter) {
		f.filter.Needs = f.list(p, "codes of need", f.codes(referral.SystemNeed))
	}},
	{"priority", func(f *filtering, p parameter) {
		f.filter.Priority = f.list(p, "codes of ServiceRequest.priority", priorities())
	}},
	{"risk", func(f *filtering, p parameter) { f.filter.Risk = f.wanted(p) }},
	{"open", func(f *filtering, p parameter) { f.filter.Open = f.wanted(p) }},
	{"overdue", func(f *filtering, p parameter) { f.filter.Overdue = f.wanted(p) }},
	{"cancellation_asked", func(f *filtering, p parameter) { f.filter.Asked = f.wanted(p) }},
	{"due_before", func(f *filtering, p parameter) {
		from, _, ok := fhir.Interval(p.value)
		if !ok {
			f.faults = append(f.faults, badDate("due_before", p.value))
		}
		f.filter.DueBefore = from
	}},
	{"since", func(f *filtering, p parameter) {
		from, _, ok := fhir.Interval(p.value)
		if !ok {
			f.faults = append(f.faults, badDate("since", p.value))
		}
		f.filter.Since = from
	}},
	{"sort", func(f *filtering, p parameter) {
		f.filter.Sort = referral.Sort(p.value)
		if orders := []string{string(referral.SortCreated), string(referral.SortDue), string(referral.SortUpdated)}; !slices.Contains(orders, p.value) {
			f.wrong(p, "sort must be one of "+strings.Join(orders, ", ")+meant(orders, p.value))
		}
	}},
	{"count", func(f *filtering, p parameter) {
		n, err := strconv.Atoi(p.value)
		if err != nil || n < 1 {
			f.wrong(p, "count must be a whole number from 1")
			return
		}
		f.filter.Page.Count = min(n, pageMax)
	}},
	{"cursor", func(f *filtering, p parameter) {
		if f.filter.Page.After = p.value; p.value == "" {
			f.wrong(p, cursorMissing)
		}
	}},
}

// parseFilter reads the query of the worklist. Every parameter may stand once; one
// that is not known is refused, since leaving it out would show more than was asked for.
// codes lists the codes of a code system, nil for one that nobody loaded, whose codes are
// then not checked. Errors, all at once: value and invalid, naming the parameter and what it
// takes.
func parseFilter(params []parameter, codes func(system string) []string) (referral.Filter, error) {
	f := &filtering{filter: referral.Filter{Page: referral.Page{Count: pageDefault}}, codes: codes}
	var names, seen []string
	for _, known := range filterParameters {
		names = append(names, known.name)
	}
	for _, p := range params {
		if p.formal() {
			continue
		}
		if slices.Contains(seen, p.name) {
			f.wrong(p, "a parameter may be given once")
			continue
		}
		seen = append(seen, p.name)
		i := slices.Index(names, p.key())
		if i < 0 {
			f.faults = append(f.faults, issue.New(issue.Invalid, "filter-unknown", "the worklist takes "+strings.Join(names, ", ")+meant(names, p.key())).
				With("the parameter is %.200q", p.key()))
			continue
		}
		filterParameters[i].read(f, p)
	}
	return f.filter, issue.Join(f.faults)
}

func (f *filtering) wrong(p parameter, details string) {
	f.faults = append(f.faults, issue.New(issue.Value, "filter", details).At("http."+p.name).With("%s is %.200q", p.name, p.value))
}

// list reads alternatives with commas between, each of which must be one of codes.
func (f *filtering) list(p parameter, what string, codes []string) []string {
	list := strings.Split(p.value, ",")
	if len(list) > maxAlternatives {
		f.wrong(p, p.name+" names too many codes")
		return nil
	}
	for _, code := range list {
		if code == "" || codes != nil && !slices.Contains(codes, code) {
			f.wrong(p, p.name+" must be "+what+" with commas between: "+strings.Join(codes, ", ")+meant(codes, code))
			break
		}
	}
	return list
}

var wantedBy = map[string]referral.Wanted{"true": referral.Yes, "false": referral.No}

func (f *filtering) wanted(p parameter) referral.Wanted {
	w, ok := wantedBy[p.value]
	if !ok {
		f.wrong(p, p.name+" must be true or false")
	}
	return w
}

// cursorMissing is said of a cursor without text: a client that lost its own would read the
// first page again and again.
const cursorMissing = "cursor must be next of the page before; leave the parameter out for the first page"

// tenDigits reports whether text is written as an NHS number is, with a right check digit or
// not.
func tenDigits(text string) bool {
	digits := strings.NewReplacer(" ", "", "-", "").Replace(text)
	return len(digits) == 10 && strings.Trim(digits, "0123456789") == ""
}

// meant says what was probably meant, "" when nothing is near.
func meant(names []string, written string) string {
	near := issue.Nearest(names, strings.ReplaceAll(written, "_", "-"))
	if near == "" {
		near = issue.Nearest(names, strings.ReplaceAll(written, "-", "_"))
	}
	if near == "" {
		return ""
	}
	return "; did you mean " + near + "?"
}

// taskStatuses are the codes of Task.status, priorities those of ServiceRequest.priority.
func taskStatuses() []string { return fhir.Types(fhir.R4).Type("Task").Element("status").Codes }

func priorities() []string {
	return fhir.Types(fhir.R4).Type("ServiceRequest").Element("priority").Codes
}

// codesOf lists the codes of a code system that holds for the caller, nil when there is none.
func (x *exchange) codesOf(system string) []string {
	if x.Terminology == nil {
		return nil
	}
	var codes []string
	for _, n := range x.codes().CodeSystems() {
		if n.Text("url") == system {
			codes = appendCodes(codes, n)
		}
	}
	return codes
}

// appendCodes adds the codes of the concepts below n.
func appendCodes(codes []string, n *fhir.Node) []string {
	for _, concept := range n.All("concept") {
		codes = appendCodes(append(codes, concept.Text("code")), concept)
	}
	return codes
}
