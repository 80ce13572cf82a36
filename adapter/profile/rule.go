package profile

// rule is what we know of one of the standard's expressions, which google/fhir carries
// without its key.
type rule struct {
	key     string
	words   string // what is wrong and what to do, in our words
	instead string // run this; the reason stands beside it
	skip    string // why it is not run
}

// ruleOf finds a rule by its expression, and by its owner where two share one.
func ruleOf(source, owner string) rule {
	r, found := rules[owner+": "+source]
	if !found {
		r, found = rules[source]
	}
	if !found {
		r = rule{key: "base:" + owner}
	}
	if r.words == "" {
		r.words = "a rule of FHIR for " + owner + " does not hold: " + source
	}
	return r
}

// checked marks the rules that fhir.Check reports, with a better place.
const checked = "fhir.Check reports it"

// rules: keys as in the StructureDefinitions of FHIR R4 (http://hl7.org/fhir/R4/definitions.json.zip),
// compared by a script; words ours.
var rules = map[string]rule{
	// Bundle
	"total.empty() or (type = 'searchset') or (type = 'history')":                                                                                 {key: "bdl-1", skip: checked},
	"entry.search.empty() or (type = 'searchset')":                                                                                                {key: "bdl-2", skip: checked},
	"entry.all(request.exists() = (%resource.type = 'batch' or %resource.type = 'transaction' or %resource.type = 'history'))":                    {key: "bdl-3", skip: checked},
	"entry.all(response.exists() = (%resource.type = 'batch-response' or %resource.type = 'transaction-response' or %resource.type = 'history'))": {key: "bdl-4", skip: checked},
	"resource.exists() or request.exists() or response.exists()":                                                                                  {key: "bdl-5", skip: checked},
	"(type = 'history') or entry.where(fullUrl.exists()).select(fullUrl&resource.meta.versionId).isDistinct()":                                    {key: "bdl-7", skip: checked},
	"type = 'document' implies (identifier.system.exists() and identifier.value.exists())":                                                        {key: "bdl-9", skip: checked},
	"type = 'document' implies (timestamp.hasValue())":                                                                                            {key: "bdl-10", skip: checked},
	"type = 'document' implies entry.first().resource.is(Composition)":                                                                            {key: "bdl-11", skip: checked},
	"type = 'message' implies entry.first().resource.is(MessageHeader)":                                                                           {key: "bdl-12", skip: checked},

	// data types
	"code.empty() or system.exists()": {key: "qty-3", words: "a Quantity with a code for its unit needs the system of that code, such as http://unitsofmeasure.org"},
	"comparator.empty()":              {key: "sqty-1", words: "a SimpleQuantity has no comparator"},
	"start.hasValue().not() or end.hasValue().not() or (start <= end)": {key: "per-1",
		words: "a Period must not end before it starts",
		// R4's words give no answer, and so refuse, for 2026 to 2026-05, which is legal; R5
		// takes the boundaries instead, which lets a day too many pass. Here only what is
		// known to end before it starts is refused.
		instead: "(start > end).empty() or (start > end).not()"},
	"low.empty() or high.empty() or (low <= high)": {key: "rng-2",
		words: "the low of a Range must not be above its high",
		// units that cannot be compared give no answer; that is no fault of order
		instead: "(low > high).empty() or (low > high).not()"},
	"(numerator.empty() xor denominator.exists()) and (numerator.exists() or extension.exists())": {key: "rat-1", words: "a Ratio has numerator and denominator, or neither and an extension"},
	"value.empty() or system.exists()":          {key: "cpt-2", words: "a ContactPoint with a value needs its system, such as phone or email"},
	"data.empty() or contentType.exists()":      {key: "att-1", words: "an Attachment with data needs its contentType"},
	"htmlchecks()":                              {key: "txt-1", words: "a narrative is one div of basic XHTML with some text in it", instead: "htmlChecks()"}, // STU3's spelling
	"htmlChecks()":                              {key: "txt-1", words: "a narrative is one div of basic XHTML with some text in it; scripts, forms, styles in elements of their own and other active content are refused"},
	"expression.exists() or reference.exists()": {key: "exp-1", words: "an Expression needs expression or reference"},
	"offset.empty() or (when.exists() and ((when in ('C' | 'CM' | 'CD' | 'CV')).not()))": {key: "tim-9", words: "Timing.repeat.offset needs when, and not a meal (C, CM, CD, CV)", instead: "offset.empty() or (when.exists() and when.where($this in ('C' | 'CM' | 'CD' | 'CV')).empty())"}, // when may repeat, and in takes one value
	"duration.empty() or durationUnit.exists()":                                          {key: "tim-1", words: "Timing.repeat.duration needs durationUnit"},
	"period.empty() or periodUnit.exists()":                                              {key: "tim-2", words: "Timing.repeat.period needs periodUnit"},
	"duration.exists() implies duration >= 0":                                            {key: "tim-4", words: "Timing.repeat.duration must not be negative"},
	"period.exists() implies period >= 0":                                                {key: "tim-5", words: "Timing.repeat.period must not be negative"},
	"periodMax.empty() or period.exists()":                                               {key: "tim-6", words: "Timing.repeat.periodMax needs period"},
	"durationMax.empty() or duration.exists()":                                           {key: "tim-7", words: "Timing.repeat.durationMax needs duration"},
	"countMax.empty() or count.exists()":                                                 {key: "tim-8", words: "Timing.repeat.countMax needs count"},
	"timeOfDay.empty() or when.empty()":                                                  {key: "tim-10", words: "Timing.repeat has timeOfDay or when, not both"},
	"(code.exists() or value.empty()) and (system.empty() or system = %ucum)":            {key: "dis-1", words: "a Distance needs a UCUM code for its unit"},
	"(code.exists() or value.empty()) and (system.empty() or system = %ucum) and (code.empty() or code = '1') and (value.empty() or value.hasValue().not() or value.toString().contains('.').not())": {key: "cnt-3", words: "a Count is a whole number with the UCUM code 1"},
	"(code.exists() or value.empty()) and (system.empty() or system = %ucum) and (value.empty() or value.hasValue().not() or value > 0)":                                                             {key: "age-1", words: "an Age is above zero and has a UCUM code for its unit"},
	"code.exists() implies ((system = %ucum) and value.exists())":                                                                                       {key: "drt-1", words: "a Duration with a code needs the UCUM system and a value"},
	"(type = 'named-event' implies name.exists()) and (type = 'periodic' implies timing.exists()) and (type.startsWith('data-') implies data.exists())": {key: "trd-3", words: "a TriggerDefinition needs what its type asks for: name, timing or data"},

	// clinical
	"orderDetail.empty() or code.exists()":      {key: "prr-1", words: "ServiceRequest.orderDetail is only allowed beside ServiceRequest.code"},
	"dataAbsentReason.empty() or value.empty()": {key: "obs-6", words: "an Observation has a value or a dataAbsentReason, not both"},
	"value.empty() or component.code.where(coding.intersect(%resource.code.coding).exists()).empty()": {key: "obs-7",
		words: "an Observation with a value must not have a component with the same code"},
	"low.exists() or high.exists() or text.exists()": {key: "obs-3", words: "a reference range needs low, high or text"},
	"lastModified.exists().not() or authoredOn.exists().not() or lastModified >= authoredOn": {key: "inv-1",
		words: "Task.lastModified must not be before Task.authoredOn",
		// as with per-1: a date and a time of the same day give no answer in R4
		instead: "(lastModified < authoredOn).empty() or (lastModified < authoredOn).not()"},
	"name.exists() or telecom.exists() or address.exists() or organization.exists()":                       {key: "pat-1", words: "Patient.contact needs name, telecom, address or organization"},
	"(identifier.count() + name.count()) > 0":                                                              {key: "org-1", words: "an Organization needs an identifier or a name"},
	"Organization.address: where(use = 'home').empty()":                                                    {key: "org-2", words: "the address of an Organization must not have the use home"},
	"Organization.telecom: where(use = 'home').empty()":                                                    {key: "org-3", words: "a telecom of an Organization must not have the use home"},
	"policy.exists() or policyRule.exists()":                                                               {key: "ppc-1", words: "a Consent needs policy or policyRule"},
	"patient.exists() or scope.coding.where(system='something' and code='patient-privacy').exists().not()": {key: "ppc-2"},
	"patient.exists() or scope.coding.where(system='something' and code='research').exists().not()":        {key: "ppc-3"},
	"patient.exists() or scope.coding.where(system='something' and code='adr').exists().not()":             {key: "ppc-4"},
	"patient.exists() or scope.coding.where(system='something' and code='treatment').exists().not()":       {key: "ppc-5"},
	"summary.exists() or assessment.exists()":                                                              {key: "con-1", words: "Condition.stage needs summary or assessment"},
	"code.exists() or detail.exists()":                                                                     {key: "con-2", words: "Condition.evidence needs code or detail"},
	"abatement.empty() or clinicalStatus.coding.where(system='http://terminology.hl7.org/CodeSystem/condition-clinical' and (code='resolved' or code='remission' or code='inactive')).exists()": {key: "con-4", words: "a Condition that has abated must have the clinicalStatus inactive, resolved or remission"},
	"verificationStatus.coding.where(system='http://terminology.hl7.org/CodeSystem/condition-ver-status' and code='entered-in-error').empty() or clinicalStatus.empty()":                        {key: "con-5", words: "a Condition entered in error has no clinicalStatus"},
	"detail.empty() or reference.empty()":                                                                                 {key: "cpl-3", words: "CarePlan.activity has detail or reference, not both"},
	"(detail.exists() and measure.exists()) or detail.exists().not()":                                                     {key: "gol-1", words: "Goal.target.detail needs Goal.target.measure"},
	"(answer.exists() and item.exists()).not()":                                                                           {key: "qrs-1", words: "an item of a QuestionnaireResponse nests under its answer, not beside it"},
	"name.empty() or query.empty()":                                                                                       {key: "sev-1", words: "AuditEvent.entity has name or query, not both"},
	"text.exists() or entry.exists() or section.exists()":                                                                 {key: "cmp-1", words: "Composition.section needs text, entry or section"},
	"Composition.section: emptyReason.empty() or entry.empty()":                                                           {key: "cmp-2", words: "Composition.section has emptyReason only when it has no entry"},
	"List: emptyReason.empty() or entry.empty()":                                                                          {key: "lst-1", words: "a List has emptyReason only when it has no entry"},
	"mode = 'changes' or entry.deleted.empty()":                                                                           {key: "lst-2", words: "List.entry.deleted is only for the mode changes"},
	"mode = 'working' or entry.date.empty()":                                                                              {key: "lst-3", words: "List.entry.date is only for the mode working"},
	"start.exists() = end.exists()":                                                                                       {key: "app-2", words: "an Appointment has start and end, or neither"},
	"(start.exists() and end.exists()) or (status in ('proposed' | 'cancelled' | 'waitlist'))":                            {key: "app-3", words: "an Appointment without start and end must be proposed, cancelled or on the waitlist"},
	"Appointment.cancelationReason.exists() implies (Appointment.status='no-show' or Appointment.status='cancelled')":     {key: "app-4", words: "cancelationReason is only for an Appointment that was cancelled or not attended"},
	"Appointment.participant: type.exists() or actor.exists()":                                                            {key: "app-1", words: "Appointment.participant needs type or actor"},
	"onBehalfOf.exists() implies (member.resolve().iif(empty(), true, ofType(Practitioner).exists()))":                    {key: "ctm-1", words: "CareTeam.participant.onBehalfOf is only for a member who is a Practitioner"},
	"documentType.exists() or reference.exists()":                                                                         {key: "imm-1", words: "Immunization.education needs documentType or reference"},
	"member.empty() or (actual = true)":                                                                                   {key: "grp-1", words: "a Group has members only when it is actual"},
	"(part.exists() and value.empty() and resource.empty()) or (part.empty() and (value.exists() xor resource.exists()))": {key: "inv-1", words: "a parameter has one of value, resource and part"},
	"verificationStatus.coding.where(system = 'http://terminology.hl7.org/CodeSystem/allergyintolerance-verification' and code = 'entered-in-error').exists() or clinicalStatus.exists()": {key: "ait-1", words: "an AllergyIntolerance needs clinicalStatus unless it was entered in error"},
	"verificationStatus.coding.where(system = 'http://terminology.hl7.org/CodeSystem/allergyintolerance-verification' and code = 'entered-in-error').empty() or clinicalStatus.empty()":   {key: "ait-2", words: "an AllergyIntolerance entered in error has no clinicalStatus"},

	// Questionnaire
	"(type='group' implies item.empty().not()) and (type.trace('type')='display' implies item.trace('item').empty())": {key: "que-1"},
	"descendants().linkId.isDistinct()":              {key: "que-2", words: "every linkId of a Questionnaire is there once"},
	"type!='display' or code.empty()":                {key: "que-3"},
	"answerOption.empty() or answerValueSet.empty()": {key: "que-4"},
	"(type ='choice' or type = 'open-choice' or type = 'decimal' or type = 'integer' or type = 'date' or type = 'dateTime' or type = 'time' or type = 'string' or type = 'quantity') or (answerValueSet.empty() and answerOption.empty())": {key: "que-5"},
	"type!='display' or (required.empty() and repeats.empty())": {key: "que-6"},
	"operator = 'exists' implies (answer is Boolean)": {key: "que-7",
		// FHIRPath calls the type of the element boolean; R5 writes it so too
		instead: "operator = 'exists' implies (answer is boolean)"},
	"(type!='group' and type!='display') or initial.empty()":                                                         {key: "que-8"},
	"type!='display' or readOnly.empty()":                                                                            {key: "que-9"},
	"(type in ('boolean' | 'decimal' | 'integer' | 'string' | 'text' | 'url' | 'open-choice')) or maxLength.empty()": {key: "que-10"},
	"answerOption.empty() or initial.empty()":                                                                        {key: "que-11"},
	"enableWhen.count() > 2 implies enableBehavior.exists()":                                                         {key: "que-12"},
	"repeats=true or initial.count() <= 1":                                                                           {key: "que-13"},
}
