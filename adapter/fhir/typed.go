package fhir

import (
	codespb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/codes_go_proto"
	datatypes "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	auditpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/audit_event_go_proto"
	bundlepb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/bundle_and_contained_resource_go_proto"
	planpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/care_plan_go_proto"
	communicationpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/communication_go_proto"
	consentpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/consent_go_proto"
	documentpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/document_reference_go_proto"
	encounterpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/encounter_go_proto"
	endpointpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/endpoint_go_proto"
	servicepb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/healthcare_service_go_proto"
	locationpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/location_go_proto"
	messagepb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/message_header_go_proto"
	observationpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/observation_go_proto"
	outcomepb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/operation_outcome_go_proto"
	affiliationpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/organization_affiliation_go_proto"
	organizationpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/organization_go_proto"
	parameterspb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/parameters_go_proto"
	patientpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/patient_go_proto"
	practitionerpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/practitioner_go_proto"
	rolepb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/practitioner_role_go_proto"
	procedurepb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/procedure_go_proto"
	provenancepb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/provenance_go_proto"
	relatedpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/related_person_go_proto"
	requestpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/service_request_go_proto"
	taskpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/task_go_proto"
)

// The R4 resources of the domain. Source: http://hl7.org/fhir/R4/resourcelist.html.
type (
	AuditEvent              = auditpb.AuditEvent
	Bundle                  = bundlepb.Bundle
	CarePlan                = planpb.CarePlan
	Communication           = communicationpb.Communication
	Consent                 = consentpb.Consent
	ContainedResource       = bundlepb.ContainedResource
	DocumentReference       = documentpb.DocumentReference
	Encounter               = encounterpb.Encounter
	Endpoint                = endpointpb.Endpoint
	HealthcareService       = servicepb.HealthcareService
	Location                = locationpb.Location
	MessageHeader           = messagepb.MessageHeader
	Observation             = observationpb.Observation
	OperationOutcome        = outcomepb.OperationOutcome
	Organization            = organizationpb.Organization
	OrganizationAffiliation = affiliationpb.OrganizationAffiliation
	Parameters              = parameterspb.Parameters
	Patient                 = patientpb.Patient
	Practitioner            = practitionerpb.Practitioner
	PractitionerRole        = rolepb.PractitionerRole
	Procedure               = procedurepb.Procedure
	Provenance              = provenancepb.Provenance
	RelatedPerson           = relatedpb.RelatedPerson
	ServiceRequest          = requestpb.ServiceRequest
	Task                    = taskpb.Task
)

// Elements inside them that are built by hand. The value of a choice is set with
// SetChoice, a code bound to a value set with NewBound.
type (
	BundleEntry           = bundlepb.Bundle_Entry
	BundleLink            = bundlepb.Bundle_Link
	BundleRequest         = bundlepb.Bundle_Entry_Request
	BundleResponse        = bundlepb.Bundle_Entry_Response
	BundleSearch          = bundlepb.Bundle_Entry_Search
	DocumentContent       = documentpb.DocumentReference_Content
	DocumentContext       = documentpb.DocumentReference_Context
	DocumentRelatesTo     = documentpb.DocumentReference_RelatesTo
	ObservationComponent  = observationpb.Observation_Component
	OperationOutcomeIssue = outcomepb.OperationOutcome_Issue
	PatientContact        = patientpb.Patient_Contact
	ProcedurePerformer    = procedurepb.Procedure_Performer
	TaskInput             = taskpb.Task_Parameter
	TaskOutput            = taskpb.Task_Output
	TaskRestriction       = taskpb.Task_Restriction
)

// Codes bound to value sets: messages of their own, for NewBound.
type (
	BundleMethod            = bundlepb.Bundle_Entry_Request_MethodCode
	BundleType              = bundlepb.Bundle_TypeCode
	DocumentReferenceStatus = documentpb.DocumentReference_StatusCode
	DocumentRelation        = documentpb.DocumentReference_RelatesTo_CodeType
	IssueCode               = outcomepb.OperationOutcome_Issue_CodeType
	IssueSeverity           = outcomepb.OperationOutcome_Issue_SeverityCode
	ObservationStatus       = observationpb.Observation_StatusCode
	ProcedureStatus         = procedurepb.Procedure_StatusCode
	ServiceRequestIntent    = requestpb.ServiceRequest_IntentCode
	ServiceRequestPriority  = requestpb.ServiceRequest_PriorityCode
	ServiceRequestStatus    = requestpb.ServiceRequest_StatusCode
	TaskIntent              = taskpb.Task_IntentCode
	TaskPriority            = taskpb.Task_PriorityCode
	TaskStatus              = taskpb.Task_StatusCode
)

// TaskStatusCode is the value of a TaskStatus, for switches.
type TaskStatusCode = codespb.TaskStatusCode_Value

// The values of Task.status. Source: http://hl7.org/fhir/R4/valueset-task-status.html.
const (
	TaskDraft          = codespb.TaskStatusCode_DRAFT
	TaskRequested      = codespb.TaskStatusCode_REQUESTED
	TaskReceived       = codespb.TaskStatusCode_RECEIVED
	TaskAccepted       = codespb.TaskStatusCode_ACCEPTED
	TaskRejected       = codespb.TaskStatusCode_REJECTED
	TaskReady          = codespb.TaskStatusCode_READY
	TaskCancelled      = codespb.TaskStatusCode_CANCELLED
	TaskInProgress     = codespb.TaskStatusCode_IN_PROGRESS
	TaskOnHold         = codespb.TaskStatusCode_ON_HOLD
	TaskFailed         = codespb.TaskStatusCode_FAILED
	TaskCompleted      = codespb.TaskStatusCode_COMPLETED
	TaskEnteredInError = codespb.TaskStatusCode_ENTERED_IN_ERROR
)

// The R4 data types. Source: http://hl7.org/fhir/R4/datatypes.html.
type (
	Address         = datatypes.Address
	Annotation      = datatypes.Annotation
	Attachment      = datatypes.Attachment
	CodeableConcept = datatypes.CodeableConcept
	Coding          = datatypes.Coding
	ContactPoint    = datatypes.ContactPoint
	Extension       = datatypes.Extension
	HumanName       = datatypes.HumanName
	Identifier      = datatypes.Identifier
	Meta            = datatypes.Meta
	Narrative       = datatypes.Narrative
	Period          = datatypes.Period
	Quantity        = datatypes.Quantity
	Reference       = datatypes.Reference
)
