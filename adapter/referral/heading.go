package referral

import (
	"slices"
	"strings"
)

// Headings are the sections of the record standard that tell of the person, beside
// View.Person. Every list is in the order of the message, what joined the referral later
// after it; it is empty and not null when there is nothing.
// Source: PRSB Social Prescribing Information Standard 1.1; conformance/README.md says
// which FHIR elements each is read from.
type Headings struct {
	Practices    []Practice   `json:"gp_practice"` // registered with; several where several are stated
	Referrer     Referrer     `json:"referrer"`
	AboutMe      []Statement  `json:"about_me"`
	Requirements Requirements `json:"individual_requirements"`
	Communicate  Communicate  `json:"communication"`
	Contacts     []Relation   `json:"contacts"` // family, carers, friends, professionals
	Carer        Carer        `json:"carer"`
	Safeguarding Safeguarding `json:"safeguarding"`
	RiskState    string       `json:"risk_state"` // recorded, none-known, not-recorded
	Consent      Consents     `json:"consent"`
	Social       []Finding    `json:"social_context"`
	Presenting   []Finding    `json:"presenting_complaints"`
	Problems     []Finding    `json:"problems"`
	Assessments  []Statement  `json:"assessments"` // questionnaires with their answers
	Documents    []Statement  `json:"documents"`
	Labels       []Coded      `json:"security_labels"` // of the request: they hold for every copy
	Other        []Other      `json:"other"`           // content without a heading: none of it is left out
	Withdrawn    []Withdrawn  `json:"withdrawn"`       // said to be wrong by whoever recorded it, and not shown
}

// Requirements are what the person needs so that support can reach them.
type Requirements struct {
	Needed      *bool     `json:"reasonable_adjustments_needed"` // null when nothing is recorded
	Adjustments []Finding `json:"reasonable_adjustments"`
	Impairments []Finding `json:"impairments"`
	Mobility    []Finding `json:"mobility"`
	Other       []Finding `json:"other"`
}

// Communicate is how to speak with and write to the person.
type Communicate struct {
	Languages     []Language `json:"languages"`
	Interpreter   *bool      `json:"interpreter_needed"` // null when nothing is recorded, which is not false
	Interpreters  []Finding  `json:"interpreter"`        // in which language, and who says so
	WrittenFormat *Concept   `json:"written_format"`     // large print, braille, audio; null when nothing is recorded
	Needs         []Finding  `json:"needs"`
}

// Carer says whether the person cares for somebody, and whether somebody cares for them:
// two questions, and null where nothing is recorded.
type Carer struct {
	Is       *bool     `json:"is_carer"`
	Has      *bool     `json:"has_carer"`
	Recorded []Finding `json:"recorded"`
}

// Safeguarding is for whoever supports the person; a provider of an activity never sees it.
type Safeguarding struct {
	State    string    `json:"state"`    // recorded, none-identified, not-recorded
	Concerns []Finding `json:"concerns"` // also among the risks
	Recorded []Finding `json:"none_identified"`
}

// The states of what must be recordable as absent: something is recorded, its absence is,
// or nothing is.
const (
	StateRecorded    = "recorded"
	StateNoneKnown   = "none-known"
	StateNone        = "none-identified"
	StateNotRecorded = "not-recorded"
)

// Other is content that has no heading.
type Other struct {
	Type      string   `json:"type"`
	Reference string   `json:"reference,omitempty"`
	More      []Detail `json:"more"`
}

// Withdrawn is content that was said to be wrong. Its words are not repeated.
type Withdrawn struct {
	Type      string `json:"type"`
	Status    string `json:"status"`
	Reference string `json:"reference,omitempty"`
}

// systemWords is the system of words in records: in lower case, with single blanks and no
// full stop. Value sets list those that say something where there is no code.
const systemWords = canonical + "/NamingSystem/record-words"

// in reports whether one of the codes or phrases is in one of our value sets.
func (s *Service) in(set string, codes []Coded, phrases ...string) bool {
	return s.holds(set, codes, plainWords(phrases))
}

// holds is in for phrases that are plain already.
func (s *Service) holds(set string, codes []Coded, phrases []string) bool {
	url := canonical + "/ValueSet/" + set
	for _, c := range codes {
		if c.Code == "" || c.System == "" {
			continue
		}
		if ok, _ := s.Terminology.ValidateCode(url, c.System, c.Code); ok {
			return true
		}
	}
	for _, p := range phrases {
		if ok, _ := s.Terminology.ValidateCode(url, systemWords, p); ok {
			return true
		}
	}
	return false
}

// plainWords are phrases as systemWords has them, each once.
func plainWords(phrases []string) []string {
	var out []string
	for _, p := range phrases {
		p = strings.Trim(strings.Join(strings.Fields(strings.ToLower(p)), " "), ".")
		if p != "" && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// filing is where findings of a value set go.
type filing struct {
	set string
	to  func(h *sheet, f Finding)
}

// filings are asked in this order: what must not be missed comes first.
var filings = []filing{
	{"sp-no-known-risk", (*sheet).noRisk},
	{"sp-no-safeguarding", func(h *sheet, f Finding) { h.Safeguarding.Recorded = append(h.Safeguarding.Recorded, f) }},
	{"sp-safeguarding", (*sheet).concern},
	{"sp-risk", (*sheet).risk},
	{"sp-immigration-status", func(h *sheet, f Finding) {
		f.Sensitive = true
		h.v.Person.Immigration = append(h.v.Person.Immigration, f)
	}},
	{"sp-interpreter", func(h *sheet, f Finding) { h.Communicate.Interpreters = append(h.Communicate.Interpreters, f) }},
	{"sp-main-language", func(h *sheet, f Finding) {
		h.Communicate.Languages = append(h.Communicate.Languages, Language{Concept: Concept{Text: f.Text, Codes: f.Codes}, Recorded: &f})
	}},
	{"sp-communication-need", func(h *sheet, f Finding) { h.Communicate.Needs = append(h.Communicate.Needs, f) }},
	{"sp-carer", (*sheet).carer},
	{"sp-no-carer", (*sheet).carer},
	{"sp-former-carer", (*sheet).carer},
	{"sp-mobility", func(h *sheet, f Finding) { h.Requirements.Mobility = append(h.Requirements.Mobility, f) }},
	{"sp-impairment", func(h *sheet, f Finding) { h.Requirements.Impairments = append(h.Requirements.Impairments, f) }},
	{"sp-requirement", func(h *sheet, f Finding) { h.Requirements.Other = append(h.Requirements.Other, f) }},
	{"sp-adjustment", func(h *sheet, f Finding) { h.Requirements.Adjustments = append(h.Requirements.Adjustments, f) }},
	{"sp-gp-opt-out", func(h *sheet, f Finding) { h.optOuts = append(h.optOuts, f) }},
}

// file puts a finding under its heading.
func (h *sheet) file(f Finding) {
	f.Denied = h.s.in("sp-denied", f.ValueCodes, f.Value)
	codes, phrases := f.coded(), plainWords(f.phrases())
	for _, place := range filings {
		if h.s.holds(place.set, codes, phrases) {
			place.to(h, f)
			return
		}
	}
	social := h.s.holds("sp-social-context", codes, phrases)
	switch {
	case f.Type == "Condition" && (f.Reason || h.s.holds("sp-presenting", codes, phrases)):
		h.Presenting = append(h.Presenting, f)
	case social:
		h.Social = append(h.Social, f)
	case f.Type == "Condition":
		h.Problems = append(h.Problems, f)
	default:
		h.v.Findings = append(h.v.Findings, f)
	}
}

// concern files a safeguarding concern, among the risks too: whoever looks at one of the
// lists must not miss it.
func (h *sheet) concern(f Finding) {
	f.Sensitive = true
	if f.Denied {
		h.v.Findings = append(h.v.Findings, f)
		return
	}
	f.Safeguarding = true
	h.Safeguarding.Concerns = append(h.Safeguarding.Concerns, f)
	h.risk(f)
}

// risk files a risk; one that is denied is a finding.
func (h *sheet) risk(f Finding) {
	if f.Denied {
		h.v.Findings = append(h.v.Findings, f)
		return
	}
	h.v.Risks = append(h.v.Risks, f)
}

// noRisk files that no risk is known. That it is denied says nothing.
func (h *sheet) noRisk(f Finding) { h.noRisks = append(h.noRisks, f) }

// carer files that the person is a carer, was one, or has none: opposite things.
func (h *sheet) carer(f Finding) { h.Carer.Recorded = append(h.Carer.Recorded, f) }

// state draws the conclusions that a list alone leaves open.
func (h *sheet) state() {
	h.Safeguarding.State = stateOf(h.Safeguarding.Concerns, h.Safeguarding.Recorded, StateNone)
	h.RiskState = stateOf(h.v.Risks, h.noRisks, StateNoneKnown)
	h.v.RiskStatement = riskStatement(h.RiskState, h.v.Risks, h.noRisks)
	h.v.Findings = append(h.v.Findings, h.noRisks...)
	for _, f := range h.Communicate.Interpreters {
		if !f.Ended {
			h.Communicate.Interpreter = either(h.Communicate.Interpreter, !f.Denied)
		}
	}
	for _, f := range h.Carer.Recorded {
		codes, phrases := f.coded(), f.phrases()
		switch {
		case f.Ended:
		case h.s.in("sp-no-carer", codes, phrases...):
			h.Carer.Has = either(h.Carer.Has, f.Denied)
		case h.s.in("sp-former-carer", codes, phrases...):
			if !f.Denied {
				h.Carer.Is = either(h.Carer.Is, false)
			}
		default:
			h.Carer.Is = either(h.Carer.Is, !f.Denied)
		}
	}
	for _, p := range h.Contacts {
		if p.Carer && !p.Ended {
			h.Carer.Has = either(h.Carer.Has, true)
		}
	}
	r := &h.Requirements
	for _, list := range [][]Finding{r.Adjustments, r.Impairments, r.Mobility, r.Other} {
		for _, f := range list {
			if !f.Ended && h.s.in("sp-adjustment", f.coded(), f.phrases()...) {
				r.Needed = either(r.Needed, !f.Denied)
			}
		}
	}
}

// either joins two answers to a question: yes outweighs no, anything outweighs nothing.
func either(known *bool, yes bool) *bool {
	if known != nil && *known {
		return known
	}
	return &yes
}

// stateOf says whether something is recorded, its absence is, or nothing is.
func stateOf(recorded, absent []Finding, none string) string {
	if len(recorded) > 0 {
		return StateRecorded
	}
	for _, f := range absent {
		if f.current() {
			return none
		}
	}
	return StateNotRecorded
}

func riskStatement(state string, risks, absent []Finding) string {
	none := len(absent) > 0 && absent[len(absent)-1].current()
	current := false
	for _, f := range risks {
		current = current || f.current()
	}
	switch {
	case state == StateRecorded && current && none:
		return "Risks are listed in risks, though the record also says that no risk is known."
	case state == StateRecorded && current:
		return "Risks are listed in risks."
	case state == StateRecorded && none:
		return "The risks that are listed have ended; the record says that no risk is known now."
	case state == StateRecorded:
		return "The risks that are listed have ended; whether there are others now is not recorded."
	case state == StateNoneKnown:
		return "It is recorded that no risk is known."
	}
	return "No risk is recorded in the referral; that is not the same as no known risk."
}
