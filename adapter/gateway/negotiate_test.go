package gateway

import (
	"strings"
	"testing"
)

// TestNegotiation runs _format × Accept; a _format decides alone.
func TestNegotiation(t *testing.T) {
	accepts := map[string]bool{
		"": true, "*/*": true, "application/*": true, "application/fhir+json": true, "application/json": true, "text/json": true,
		"application/fhir+json;charset=utf-8": true, "application/fhir+json; fhirVersion=4.0": true, "application/fhir+json; version=1.1.0": true,
		"application/fhir+xml, application/fhir+json;q=0.5": true, "text/html,application/xhtml+xml,*/*;q=0.8": true, "APPLICATION/JSON": true,
		"application/fhir+xml": true, "application/xml": true, "text/html": false, "nonsense": false, "application/fhir+json;q=0": false,
		"application/fhir+json; fhirVersion=3.0": false, "application/fhir+turtle": false, ";;": false,
	}
	formats := map[string]string{ // "": Accept decides
		"": "", "json": "yes", "application/json": "yes", "application/fhir%2Bjson": "yes", "application/fhir+json": "yes", "text/json": "yes",
		"xml": "yes", "application/fhir%2Bxml": "yes", "application/fhir+xml": "yes", "text/xml": "yes", "ttl": "no", "html": "no", "application/json;q=0": "no",
	}
	w := newWorld(t, nil)
	for accept, ok := range accepts {
		for format, decides := range formats {
			want := 406
			if decides == "yes" || decides == "" && ok {
				want = 200
			}
			for _, target := range []string{"/fhir/R4/metadata", "/fhir/R4/Patient/1", "/fhir/R4/Patient"} {
				var headers []string
				if accept != "" {
					headers = append(headers, "Accept: "+accept)
				}
				rec := w.do("GET", target+"?_format="+format, "", append(headers, "as gp")...)
				if rec.Code != want {
					t.Errorf("%s: _format %q, Accept %q: %d, want %d", target, format, accept, rec.Code, want)
				}
				if rec.Header().Get("Content-Type") == contentXML {
					parsedXML(t, rec)
				} else {
					parsed(t, rec)
				}
			}
		}
	}
	wants(t, w.do("GET", "/api/v1/referrals", "", "as lw", "Accept: application/fhir+xml"), 406, "not-acceptable")
	wants(t, w.do("GET", "/api/v1/referrals", "", "as lw", "Accept: application/json"), 200, "")
}

func TestContentTypes(t *testing.T) {
	w := newWorld(t, nil)
	for contentType, want := range map[string]int{
		"application/fhir+json": 201, "application/fhir+json; charset=utf-8": 201, "application/fhir+json;charset=UTF-8;fhirVersion=4.0": 201,
		"application/json": 201, "text/json": 201, "Application/FHIR+JSON": 201, "application/fhir+json; version=1.1.0": 201,
		"": 415, "application/fhir+xml": 400, "application/fhir+xml; charset=latin1": 415, "application/fhir+turtle": 415, "text/plain": 415, "application/fhir+json; charset=latin1": 415,
		"application/fhir+json; fhirVersion=3.0": 415, "nonsense;;": 415,
	} {
		rec := w.do("POST", "/fhir/R4/Patient", `{"resourceType":"Patient"}`, "as gp", "Content-Type: "+contentType)
		if rec.Code != want {
			t.Errorf("%q: %d, want %d", contentType, rec.Code, want)
		}
		if rec.Header().Get("Content-Type") != contentXML {
			parsed(t, rec)
		}
	}
	wants(t, w.post("/fhir/R4/Patient/_search", "_id=1", "as gp"), 415, "media-type")
	wants(t, w.do("POST", "/api/v1/referrals/1/actions/accept", "{}", "as lw", `If-Match: W/"1"`, "Content-Type: text/plain"), 415, "media-type")
}

func TestPreferences(t *testing.T) {
	for line, want := range map[string]preference{
		"return=minimal":                                     {returns: "minimal"},
		"handling=strict; return=representation":             {returns: "representation", strict: true},
		`Return="OperationOutcome", handling=lenient`:        {returns: "OperationOutcome"},
		"respond-async":                                      {},
		strings.Repeat(";", 9) + "=,handling=strict,return=": {strict: true},
	} {
		if got := parsePrefer([]string{line}); got != want {
			t.Errorf("%q: %+v", line, got)
		}
	}
}
