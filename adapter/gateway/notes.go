package gateway

// note is POST /api/v1/referrals/{id}/notes: a note for an audience.
func note(x *exchange) error { return amend(x, x.Operations.AddNote, x.sendView) }

// attach is POST /api/v1/referrals/{id}/attachments: a document by its address.
func attach(x *exchange) error { return amend(x, x.Operations.AddAttachment, x.sendView) }

// share is POST /api/v1/referrals/{id}/sharing: another sharing level.
func share(x *exchange) error { return amend(x, x.Operations.SetSharing, x.sendView) }
