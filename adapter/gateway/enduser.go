package gateway

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// The headers that say who stands behind a call.
const (
	headerOrganisation = "NHSD-End-User-Organisation"
	headerPractitioner = "NHSD-Requesting-Practitioner"
	headerSoftware     = "NHSD-Requesting-Software"
	headerTarget       = "NHSD-Target-Identifier"
)

// maxHeaderResource bounds what a header holds, decoded. Published ones have some 400 bytes.
const maxHeaderResource = 8 << 10

// findEndUser reads who stands behind the call. A caller who speaks for several
// organisations acts from here on for the one that is named. What the headers hold is
// about a person: it goes to the audit, and never into a log or an answer.
//
// Errors: required for a header that must be sent, value for one that cannot be read,
// each naming its header; forbidden for an organisation that the caller does not speak for.
func (x *exchange) findEndUser() error {
	var faults []*issue.Error
	for _, name := range x.demanded() {
		if strings.TrimSpace(x.Request.Header.Get(name)) == "" {
			faults = append(faults, issue.Newf(issue.Required, "header-missing", "the header %s must be sent", name).At("http."+name))
		}
	}
	u := &x.call.EndUser
	for _, h := range []struct {
		name string
		read func(u *referral.EndUser, text []byte) string
	}{{headerOrganisation, readOrganisation}, {headerPractitioner, readPractitioner}, {headerSoftware, readSoftware}, {headerTarget, readTarget}} {
		values := x.Request.Header.Values(h.name)
		if len(values) == 0 || values[0] == "" && len(values) == 1 {
			continue
		}
		if wrong := readHeader(u, values, h.read); wrong != "" {
			kind := issue.Value
			if x.route.bars && h.name != headerTarget {
				kind = issue.Invalid
			}
			faults = append(faults, issue.Newf(kind, "header-value", "the header %s %s", h.name, wrong).At("http."+h.name))
		}
	}
	if len(faults) > 0 {
		x.call.EndUser = referral.EndUser{} // what was half read is no ground for a record
		return issue.Join(faults)
	}
	p := x.call.Principal
	switch {
	case u.Organisation == "":
		return nil
	case !p.SpeaksFor(u.Organisation):
		return issue.New(issue.Forbidden, "end-user-organisation", "the token does not speak for the organisation in the header "+headerOrganisation).At("http." + headerOrganisation)
	case len(p.Organisations) > 1:
		x.call.Principal = p.Acting(u.Organisation)
	}
	return nil
}

// demanded are the headers that must be sent.
func (x *exchange) demanded() []string {
	if !x.messaged() {
		return x.door.Demands.Headers
	}
	list := []string{headerTarget, headerOrganisation}
	for _, name := range x.door.Demands.Headers {
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

// readHeader reads one header into u, and says what is wrong with it; "" for nothing.
func readHeader(u *referral.EndUser, values []string, read func(*referral.EndUser, []byte) string) string {
	if len(values) > 1 {
		return "must be sent once"
	}
	text, err := base64.StdEncoding.Strict().DecodeString(values[0])
	switch {
	case err != nil:
		return "is not in base64, with the usual alphabet and padding"
	case len(text) > maxHeaderResource:
		return "holds more than 8 KiB"
	case !utf8.Valid(text):
		return "does not hold UTF-8"
	}
	return read(u, text)
}

// readResource reads a resource of one type; nil and what is wrong when it is none.
func readResource(text []byte, resourceType string) (*fhir.Node, string) {
	n, err := fhir.Parse(fhir.Types(fhir.R4), text, fhir.Limits{Bytes: maxHeaderResource, Depth: 16})
	if err != nil || n.Faults() != nil || n.ResourceType() != resourceType {
		return nil, "does not hold " + withArticle(resourceType) + " in JSON"
	}
	return n, ""
}

func readOrganisation(u *referral.EndUser, text []byte) string {
	n, wrong := readResource(text, "Organization")
	if n == nil {
		return wrong
	}
	if u.Organisation = referral.ODSOf(n); u.Organisation == "" {
		return "holds an Organization without ODS code: give it an identifier with the system " + referral.SystemODS
	}
	return ""
}

// The systems of who is a user of Spine, and in which role.
const (
	systemSDSUser        = "https://fhir.nhs.uk/Id/sds-user-id"
	systemSDSRoleProfile = "https://fhir.nhs.uk/Id/sds-role-profile-id"
)

func readPractitioner(u *referral.EndUser, text []byte) string {
	n, wrong := readResource(text, "PractitionerRole")
	if n == nil {
		return wrong
	}
	for _, id := range n.All("identifier") {
		switch value := id.Text("value"); id.Text("system") {
		case systemSDSRoleProfile:
			u.RoleProfile = value
		case systemSDSUser:
			u.Practitioner = value
		}
	}
	if u.Practitioner == "" {
		u.Practitioner = n.Text("practitioner", "identifier", "value")
	}
	u.Role = n.Text("code", "coding", "code")
	if u.Practitioner == "" && u.RoleProfile == "" {
		return "holds a PractitionerRole that identifies nobody: give it an identifier with the system " + systemSDSRoleProfile
	}
	return ""
}

// readSoftware takes the name of a Device as a list, as R4 has it, and as an object, as the
// specification of the header has it.
func readSoftware(u *referral.EndUser, text []byte) string {
	n, wrong := readResource(text, "Device")
	if n == nil {
		return wrong
	}
	name := n.Text("deviceName", "name")
	if name == "" {
		name = n.Text("identifier", "value")
	}
	if name == "" {
		return "holds a Device without name and identifier"
	}
	u.Software = strings.TrimSpace(name + " " + n.Text("version", "value"))
	return ""
}

func readTarget(u *referral.EndUser, text []byte) string {
	var target struct{ System, Value string }
	if json.Unmarshal(text, &target) != nil || target.System == "" || target.Value == "" {
		return `does not hold {"system":…,"value":…} in JSON`
	}
	u.Target = target.System + "|" + target.Value
	return ""
}
