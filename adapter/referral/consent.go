package referral

import "spadapter/adapter/fhir"

// Consents is what was recorded of consent to sharing. It is no precondition: the lawful
// basis is direct care.
type Consents struct {
	State      string        `json:"state"` // given, refused, ended, recorded (neither is said), not-recorded
	LegalBasis string        `json:"legal_basis"`
	Entries    []ConsentView `json:"entries"`
}

// ConsentView is one Consent.
type ConsentView struct {
	Status        string    `json:"status"`
	Scope         *Concept  `json:"scope"`
	Categories    []Concept `json:"categories"`
	Date          string    `json:"date,omitempty"`
	Provision     string    `json:"provision,omitempty"` // permit or deny
	Start         string    `json:"start,omitempty"`
	End           string    `json:"end,omitempty"`
	Ended         bool      `json:"ended,omitempty"`
	PolicyRule    *Concept  `json:"policy_rule,omitempty"`
	Reasons       []Concept `json:"reasons,omitempty"`     // why it was not obtained, or what it is for
	BestInterests bool      `json:"best_interests"`        // decided for somebody who could not decide
	VerifiedBy    []string  `json:"verified_by,omitempty"` // with whom it was verified
	VerifiedOn    []string  `json:"verified_on,omitempty"`
	Labels        []Coded   `json:"security_labels,omitempty"`
	Reference     string    `json:"reference,omitempty"`
	More          []Detail  `json:"more,omitempty"`
}

// The states of consent.
const (
	consentGiven   = "given"
	consentRefused = "refused"
	consentEnded   = "ended"
)

// consent files a Consent.
func (h *sheet) consent(n *fhir.Node) {
	r, rule := h.read, n.Child("provision")
	c := ConsentView{Status: r.text(n, "status"), Scope: r.concept(n.Child("scope")), Categories: append([]Concept{}, r.concepts(n.All("category"))...),
		Date: r.text(n, "dateTime"), Provision: r.text(rule, "type"), PolicyRule: r.concept(n.Child("policyRule")),
		Labels: r.codings(n.Child("meta").All("security")), Reference: "Consent/" + n.Text("id")}
	c.Start, c.End = r.period(rule.Child("period"))
	c.Ended = c.Status == "inactive" || past(c.End, h.now)
	c.Reasons = r.concepts(rule.All("code"))
	for _, purpose := range rule.All("purpose") {
		code := r.coding(purpose)
		c.Reasons = append(c.Reasons, Concept{Text: code.Display, Codes: []Coded{code}})
	}
	for _, v := range n.All("verification") {
		if by := r.text(v, "verifiedWith", "display"); by != "" {
			c.VerifiedBy = append(c.VerifiedBy, by)
		}
		if on := r.text(v, "verificationDate"); on != "" {
			c.VerifiedOn = append(c.VerifiedOn, on)
		}
	}
	all := append(append([]Concept{}, c.Reasons...), c.Categories...)
	for _, one := range []*Concept{c.Scope, c.PolicyRule} {
		if one != nil {
			all = append(all, *one)
		}
	}
	for _, one := range all {
		c.BestInterests = c.BestInterests || h.s.in("sp-best-interests", one.Codes, one.Text)
	}
	c.More = r.rest(n, h.linked)
	h.told[n] = true
	h.Consent.Entries = append(h.Consent.Entries, c)
}

// consented settles what the entries say together: a refusal outweighs the rest.
func (h *sheet) consented() {
	h.Consent.LegalBasis = "direct care"
	h.Consent.State = StateNotRecorded
	weight := map[string]int{StateNotRecorded: 0, consentEnded: 1, StateRecorded: 2, consentGiven: 3, consentRefused: 4}
	for _, c := range h.Consent.Entries {
		state := StateRecorded // draft, proposed
		switch {
		case c.Ended:
			state = consentEnded
		case c.Status == "rejected" || c.Status == "active" && c.Provision == "deny":
			state = consentRefused
		case c.Status == "active":
			state = consentGiven
		}
		if weight[state] > weight[h.Consent.State] {
			h.Consent.State = state
		}
	}
}
