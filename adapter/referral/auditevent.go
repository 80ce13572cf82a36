package referral

import (
	"cmp"
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Code systems of AuditEvents.
// Source: http://hl7.org/fhir/R4/auditevent.html, https://profiles.ihe.net/ITI/BALP/.
const (
	systemEventType   = "http://terminology.hl7.org/CodeSystem/audit-event-type"
	systemInteraction = "http://hl7.org/fhir/restful-interaction"
	systemAction      = "http://hl7.org/fhir/audit-event-action"
	systemOutcome     = "http://terminology.hl7.org/CodeSystem/audit-event-outcome"
	systemDICOM       = "http://dicom.nema.org/resources/ontology/DCM"
	systemEntity      = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
	systemEntityRole  = "http://terminology.hl7.org/CodeSystem/object-role"
	systemPurpose     = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
	systemTransaction = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"

	// SystemClient is the system of client ids, SystemUser that of the users of a client.
	SystemClient = IDSystem + "client"
	SystemUser   = IDSystem + "user"

	systemRequest = IDSystem + "request"
)

// balp is what the profiles of IHE BALP begin with; "Patient" comes before the name where
// one patient is known.
const balp = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."

// balpProfiles are the profiles by interaction; the others have none.
var balpProfiles = map[string]string{
	"create": "Create", "transaction": "Create", "read": "Read", "vread": "Read", "update": "Update", "patch": "Update", "delete": "Delete",
	"search-type": "Query", "search-system": "Query", "search": "Query",
}

// interactions are the codes of the code system restful-interaction; whatever else is done
// is an operation.
var interactions = []string{"read", "vread", "update", "patch", "delete", "history", "history-instance", "history-type", "history-system", "create",
	"search", "search-type", "search-system", "capabilities", "transaction", "batch", "operation"}

// notShown stands for what was done in a record whose words FHIR cannot hold.
const notShown = "not-shown"

// auditVersion renders an audit record for a caller, who sees it.
func (s *Service) auditVersion(c Call, a *Audit) (Version, error) {
	n, err := s.auditEvent(c.Principal, a)
	if err != nil {
		// one record that FHIR cannot hold must not hide all others
		bare := Audit{ID: a.ID, Organisation: a.Organisation, At: a.At, Role: a.Role, Action: a.Action, Outcome: a.Outcome, Interaction: notShown}
		if n, err = s.auditEvent(c.Principal, &bare); err != nil {
			return Version{}, err
		}
	}
	v := Version{Type: TypeAudit, ID: a.ID, Number: 1, Organisation: a.Organisation, Updated: a.At, Patient: a.Patient}
	v.write(n)
	return v, nil
}

// auditEvent makes the AuditEvent of a record. Of a list it names the patients of the
// reader's own organisations alone, and what was looked for only to who looked, and to
// operators: a search may name other people.
func (s *Service) auditEvent(reader *auth.Principal, a *Audit) (*fhir.Node, error) {
	own := reader.Role == auth.RoleOperator || reader.SpeaksFor(a.Actor)
	patients := a.patients(func(organisation string) bool { return own || reader.SpeaksFor(organisation) })
	n := fhir.Types(fhir.R4).New(TypeAudit)
	meta := n.Add("meta")
	for _, profile := range a.profiles(len(patients), own) {
		element, _ := meta.Type.Member("profile")
		meta.Append("profile", fhir.NewPrimitive(element.Type, profile))
	}
	setCode(n.Add("type"), systemEventType, "rest")
	subtype := a.Interaction
	if !slices.Contains(interactions, subtype) {
		subtype = "operation"
	}
	setCode(n.Add("subtype"), systemInteraction, subtype)
	if a.Interaction == "transaction" && a.Action == "C" {
		setCode(n.Add("subtype"), systemInteraction, "create") // which is what the profile asks for
	}
	n.Set("action", a.Action)
	n.Set("recorded", a.At.UTC().Format(instant))
	n.Set("outcome", a.Outcome)
	if a.Issue != "" {
		n.Set("outcomeDesc", a.Issue)
	}
	if a.Purpose != "" {
		setCode(n.Add("purposeOfEvent").Add("coding"), systemPurpose, a.Purpose)
	}
	s.agents(n, a)
	source := n.Add("source")
	source.Set("site", s.source())
	s.server(source.Add("observer"))
	setCode(source.Add("type"), "http://terminology.hl7.org/CodeSystem/security-source-type", "4")
	a.entities(n, patients, own)
	stamp(n, a.ID, 1, a.At)
	if err := fhir.Check(n); issue.Failures(err) != nil {
		return nil, issue.New(issue.Exception, "audit-event", "an audit record cannot be shown").Because(err)
	}
	return n, nil
}

func setCode(n *fhir.Node, system, code string) {
	n.Set("system", system)
	n.Set("code", code)
}

// setIdentifier refers to something by an identifier.
func setIdentifier(who *fhir.Node, system, value string) {
	identifier := who.Add("identifier")
	identifier.Set("system", system)
	identifier.Set("value", value)
}

// server refers to this adapter.
func (s *Service) server(who *fhir.Node) {
	who.Set("type", "Device")
	setIdentifier(who, "urn:ietf:rfc:3986", cmp.Or(s.source(), canonical))
	who.Set("display", "social prescribing referral adapter")
}

// profiles are what the record keeps to: without its network address, or what was read or
// looked for, it keeps to none. A Query that shows several patients is one all the same.
func (a *Audit) profiles(patients int, query bool) []string {
	name := balpProfiles[a.Interaction]
	action := map[string]string{"Create": "C", "Read": "R", "Update": "U", "Delete": "D", "Query": "E"}[name]
	_, id, _ := strings.Cut(a.Entity, "/")
	switch {
	case name == "", a.Outcome != "0", a.Action != action, a.Address == "", a.Client == "":
		return nil
	case name == "Query" && (!query || a.Query == ""), name != "Query" && id == "":
		return nil
	case patients == 1:
		return []string{balp + "Patient" + name}
	}
	return []string{balp + name}
}

// agents are who asked, from where and for whom, and the adapter.
func (s *Service) agents(n *fhir.Node, a *Audit) {
	add := func(system, code string, requestor bool) *fhir.Node {
		agent := n.Add("agent")
		setCode(agent.Add("type").Add("coding"), system, code)
		agent.Set("requestor", strconv.FormatBool(requestor))
		return agent
	}
	client := add(systemDICOM, "110153", a.User == "" && a.Client != "")
	if a.Role != "" {
		client.Add("role").Set("text", string(a.Role))
	}
	who := client.Add("who")
	who.Set("type", "Device")
	if a.Client != "" {
		setIdentifier(who, SystemClient, a.Client)
		client.Set("altId", a.Client)
	} else {
		who.Set("display", "unknown client")
	}
	if a.Token != "" {
		policy, _ := client.Type.Member("policy")
		client.Append("policy", fhir.NewPrimitive(policy.Type, "urn:ietf:params:oauth:jti:"+url.PathEscape(a.Token)))
	}
	if a.Address != "" {
		network := client.Add("network")
		network.Set("address", a.Address)
		network.Set("type", "2")
	}
	server := add(systemDICOM, "110152", false)
	s.server(server.Add("who"))
	if base, err := url.Parse(s.source()); err == nil && base.Hostname() != "" {
		network := server.Add("network")
		network.Set("address", base.Hostname())
		network.Set("type", "1")
	}
	if a.User != "" {
		// who reads receives, who writes is the author
		code := "IRCP"
		if a.Action == "C" || a.Action == "U" || a.Action == "D" {
			code = "AUT"
		}
		user := add("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", code, true)
		if a.UserRole != "" {
			user.Add("role").Set("text", a.UserRole)
		}
		setIdentifier(user.Add("who"), SystemUser, a.User)
	}
	if a.Actor != "" {
		organisation := add("http://terminology.hl7.org/CodeSystem/v3-RoleClass", "PROV", false)
		who := organisation.Add("who")
		who.Set("type", "Organization")
		setIdentifier(who, SystemODS, a.Actor)
	}
}

// patients are whom a record is about, of the organisations that visible lets through.
func (a *Audit) patients(visible func(organisation string) bool) (list []string) {
	if a.Patient != "" && visible(a.Organisation) {
		list = append(list, a.Patient)
	}
	for _, s := range a.Shown {
		if visible(s.Organisation) {
			list = append(list, s.Patients...)
		}
	}
	return list
}

// entities are what was reached, whom it is about, the request, and what was looked for.
func (a *Audit) entities(n *fhir.Node, patients []string, query bool) {
	add := func(kind, role string) *fhir.Node {
		e := n.Add("entity")
		setCode(e.Add("type"), systemEntity, kind)
		setCode(e.Add("role"), systemEntityRole, role)
		return e
	}
	kind, id, _ := strings.Cut(a.Entity, "/")
	if id != "" && fhir.Types(fhir.R4).Resource(kind) != nil {
		reference := a.Entity
		if a.Version > 0 {
			reference = location(a.Entity, a.Version)
		}
		add("2", "4").Add("what").Set("reference", reference)
	}
	for _, p := range patients {
		add("1", "1").Add("what").Set("reference", "Patient/"+p)
	}
	if a.RequestID != "" {
		e := n.Add("entity")
		setCode(e.Add("type"), systemTransaction, "XrequestId")
		setIdentifier(e.Add("what"), systemRequest, a.RequestID)
	}
	searched := balpProfiles[a.Interaction] == "Query"
	if a.Query != "" && query {
		// the profiles tell entities apart by type: beside data that was read there is no second
		e := n.Add("entity")
		if searched {
			setCode(e.Add("type"), systemEntity, "2")
			e.Set("description", kind)
		}
		setCode(e.Add("role"), systemEntityRole, "24")
		e.Set("query", base64.StdEncoding.EncodeToString([]byte(a.Query)))
	}
	var details [][2]string
	if a.Interaction != "" && !slices.Contains(interactions, a.Interaction) {
		details = append(details, [2]string{"operation", a.Interaction})
	}
	if kind != "" && (id == "" && !(searched && query && a.Query != "") || fhir.Types(fhir.R4).Resource(kind) == nil) {
		details = append(details, [2]string{"entity", a.Entity})
	}
	if details == nil {
		return
	}
	e := n.Add("entity")
	for _, d := range details {
		detail := e.Add("detail")
		detail.Set("type", d[0])
		detail.Set("valueString", d[1])
	}
}
