package main

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

// legacyCoding puts a coding of a legacy system in the place of a CodeableConcept.
func legacyCoding(n *fhir.Node, element, system, code, display string) {
	n.Remove(element)
	coding := n.Add(element).Add("coding")
	coding.Set("system", system)
	coding.Set("code", code)
	coding.Set("display", display)
	coding.Set("userSelected", "true")
}

// TestReadCodesMakeAReferral: a request in Read v2, CTV3 or an EMIS local code alone is taken
// in, its need counts, and the sender's code is shown with the SNOMED CT code beside.
func TestReadCodesMakeAReferral(t *testing.T) {
	w := newWorld(t, "")
	a := w.run(quiet())
	gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
	const emis = "https://fhir.hl7.org.uk/Id/egton-codes"
	for _, c := range []struct{ system, code, reasonSystem, reason, snomed, need string }{
		{"http://read.info/readv2", "8T09.00", "http://read.info/readv2", "1B1K.", "267076002", "loneliness"},
		{"urn:oid:2.16.840.1.113883.2.1.6.2", "8T09.11", "http://read.info/ctv3", "XE0oy", "81877007", "housing"},
		{"http://read.info/ctv3", "XaaEC", "http://read.info/readv2", "13EH.00", "81877007", "housing"},
		{emis, "EMISNQRE582", emis, "^ESCTIN674874", "407542009", "caring"},
	} {
		s := someone(practiceA)
		request := s.alone(byNumber(s.nhsNumber))
		legacyCoding(request, "code", c.system, c.code, "Referral to social prescribing service")
		legacyCoding(request, "reasonCode", c.reasonSystem, c.reason, "as the GP chose it")
		gp.post(request).want(http.StatusCreated)
		v := theOne(t, worker, s.nhsNumber)
		if got := worker.worklist("need=" + c.need); !slices.ContainsFunc(got, func(g referral.View) bool { return g.ID == v.ID }) {
			t.Errorf("%s: the worklist of the need %s does not list it", c.reason, c.need)
		}
		if len(v.Needs) != 1 || v.Needs[0].Need != c.need {
			t.Errorf("%s: the needs are %+v", c.reason, v.Needs)
		}
		var held []string
		for _, coded := range v.Needs[0].Codes {
			held = append(held, coded.Code)
		}
		if !slices.Contains(held, c.snomed) || !slices.Contains(held, c.reason) {
			t.Errorf("%s: the codes of the need are %v, without %s", c.reason, held, c.snomed)
		}
	}
	s := someone(practiceA)
	request := s.alone(byNumber(s.nhsNumber))
	legacyCoding(request, "code", "http://read.info/readv2", "13EH.", "Housing problems")
	if rules := gp.post(request).want(http.StatusUnprocessableEntity).rules(); !slices.Contains(rules, "sp-referral-request/ServiceRequest.code") {
		t.Errorf("a Read code of something else is refused by %v", rules)
	}
}

// TestANationalMapOfTheDeployment: a Read code that only the national file has counts as what
// it means there; a row that ships counts before it.
func TestANationalMapOfTheDeployment(t *testing.T) {
	w := newWorld(t, "")
	w.config.Terminology = t.TempDir()
	file := "MapId\tReadCode\tTermCode\tConceptId\tDescriptionId\tIS_ASSURED\tEffectiveDate\tMapStatus\n" +
		"{1}\t1B1z.\t00\t267076002\t\t1\t20200401\t1\n" +
		"{2}\t13EH.\t00\t267076002\t\t1\t20200401\t1\n"
	if err := os.WriteFile(filepath.Join(w.config.Terminology, "rcsctmap2_uk_20200401000001.txt"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	a := w.run(quiet())
	gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
	for code, need := range map[string]string{"1B1z.00": "loneliness", "13EH.": "housing"} {
		s := someone(practiceA)
		request := s.alone(byNumber(s.nhsNumber))
		legacyCoding(request, "reasonCode", "http://read.info/readv2", code, "as the GP chose it")
		gp.post(request).want(http.StatusCreated)
		if v := theOne(t, worker, s.nhsNumber); len(v.Needs) != 1 || v.Needs[0].Need != need {
			t.Errorf("%s: the needs are %+v, want %s", code, v.Needs, need)
		}
	}
}
