// Package directory knows what can be prescribed: the services of community directories,
// where and when they are, what they cost and who may come. It reads Open Referral UK
// feeds, finds services by need, kind, place, day, cost, accessibility and language, and
// renders them as FHIR R4 HealthcareService, Location and Organization.
//
//	d := directory.New(directory.Config{Store: s.Directory(), Vocabulary: v})
//	report, err := d.Refresh(ctx, "millbrook", source, directory.Full)
//	page, err := d.Search(ctx, directory.Search{Needs: []string{"loneliness"}, Near: "ZZ1 4"})
//
// A feed is taken over as a whole or not at all: what one refresh wrote becomes visible
// in one step, and a refresh that fails leaves what was there. What a feed no longer has
// is withdrawn, never deleted.
//
// Source: HSDS-UK 3.0, https://docs.openreferraluk.org and
// https://docs.openreferral.org/en/latest/hsds/schema_reference.html;
// http://hl7.org/fhir/R4/healthcareservice.html.
//
// It does no HTTP and no SQL, and holds nothing about a person.
package directory
