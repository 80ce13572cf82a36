package store

import (
	"database/sql"
	"strings"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
)

// auditColumns are the columns of a record in the order in which they are hashed, hash
// itself last. The order never changes: a record is verified by it years later.
const auditColumns = "id, organisation, at, client, actor, role, action, interaction, outcome, entity, patient, request_id, query, issue, " +
	"version, user_id, user_role, purpose, token, address, shown, stream, sequence, hash"

// Where some columns of audit are in a row.
const (
	auditID       = 0
	auditAt       = 2
	auditClient   = 3
	auditRequest  = 11
	auditQuery    = 12
	auditShown    = 20
	auditStream   = 21
	auditSequence = 22
	auditHash     = 23
)

// addAudit adds a record without its place in the chain, which the commit gives it.
func (b *batch) addAudit(a *referral.Audit, at time.Time) {
	// An audit that reached no organisation keeps none: it belongs to nobody's data.
	b.add(tableAudit, "", clean(a.Organisation), milli(orTime(a.At, at)), clean(a.Client), clean(a.Actor), string(a.Role), a.Action,
		a.Interaction, a.Outcome, clean(a.Entity), clean(a.Patient), clean(a.RequestID), clean(a.Query), a.Issue,
		int64(a.Version), clean(a.User), clean(a.UserRole), a.Purpose, clean(a.Token), clean(a.Address), spellShown(a.Shown), "", int64(0), "")
}

// scanAudit reads a row of auditColumns.
func (k *DataKeys) scanAudit(rows *sql.Rows) (a referral.Audit, err error) {
	var at, sequence int64
	var role, shown, stream, hash string
	err = rows.Scan(&a.ID, &a.Organisation, &at, &a.Client, &a.Actor, &role, &a.Action, &a.Interaction, &a.Outcome, &a.Entity, &a.Patient,
		&a.RequestID, &a.Query, &a.Issue, &a.Version, &a.User, &a.UserRole, &a.Purpose, &a.Token, &a.Address, &shown, &stream, &sequence, &hash)
	a.At, a.Role, a.Shown = fromMilli(at), auth.Role(role), readShown(shown)
	a.Query = k.openQuery(a.Query, at, a.Client, a.RequestID)
	return a, err
}

// spellShown writes whose data was shown: ODS:patient,patient;ODS:patient.
func spellShown(list []referral.Shown) string {
	var b strings.Builder
	for i, s := range list {
		if i > 0 {
			b.WriteByte(';')
		}
		b.WriteString(s.Organisation)
		b.WriteByte(':')
		b.WriteString(strings.Join(s.Patients, ","))
	}
	return clean(b.String())
}

func readShown(text string) (list []referral.Shown) {
	if text == "" {
		return nil
	}
	for part := range strings.SplitSeq(text, ";") {
		organisation, patients, _ := strings.Cut(part, ":")
		s := referral.Shown{Organisation: organisation}
		if patients != "" {
			s.Patients = strings.Split(patients, ",")
		}
		list = append(list, s)
	}
	return list
}

// about is one row of audit_about.
type about struct{ about, organisation string }

// aboutOf lists what a record with that shown is found by beside its own columns.
func aboutOf(shown string) (list []about) {
	for _, s := range readShown(shown) {
		if s.Organisation != "" {
			list = append(list, about{s.Organisation, s.Organisation})
		}
		for _, p := range s.Patients {
			list = append(list, about{"Patient/" + p, s.Organisation})
		}
	}
	return list
}
