// Package auth says who is calling, and proves who we are. A Verifier turns a bearer
// token into a Principal; a Signer signs tokens and client assertions with our own
// keys; a TokenSource fetches access tokens from a partner with such assertions, and
// an Endpoint hands out ours for theirs. An Unsigned reads the tokens of GP Connect, which
// prove nothing by themselves.
//
//	keys, err := auth.ParseKeys(jwksFile)
//	v, err := auth.NewVerifier(auth.Config{
//		Audience: []string{"https://adapter.example.org/fhir/R4"},
//		Issuers:  []auth.Issuer{{Name: "gp-system-1", Keys: keys, Registration: &auth.Registration{Organisations: []string{"A81001"}, Role: auth.RoleRequester}}},
//		Now:      time.Now,
//	})
//	p, err := v.Verify(ctx, token)
//	p.SpeaksFor("A81001") && p.Allows("ServiceRequest", 'c')
//
// Source: https://hl7.org/fhir/smart-app-launch/backend-services.html,
// https://www.rfc-editor.org/rfc/rfc8725 (JWT best current practices),
// https://digital.nhs.uk/developer/guides-and-documentation/security-and-authorisation/application-restricted-restful-apis-signed-jwt-authentication.
//
// Keys are given (ParseKeys) or fetched from where a partner publishes them
// (NewRemoteKeys); RotateKeys brings the next one of ours.
//
// It reads no files, keeps no store of used token ids, does no TLS and knows nothing of HTTP
// requests that come in: the gateway takes the token out of the header and turns
// issues into answers.
package auth
