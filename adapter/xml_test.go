package main

import (
	"net/http"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/store/storetest"
)

const xmlType = "application/fhir+xml"

// inXML writes a message in XML as a practice might: indented, and with a declaration.
func inXML(t *testing.T, message []byte) []byte {
	t.Helper()
	return append([]byte("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"), fhir.EncodeXMLIndent(checked(t, message))...)
}

// fromXML gives an answer in XML as JSON.
func (a answer) fromXML() answer {
	a.t.Helper()
	if got := a.header.Get("Content-Type"); got != xmlType+"; charset=utf-8" {
		a.t.Errorf("Content-Type %q", got)
	}
	root, err := fhir.ParseXML(fhir.Types(fhir.R4), a.body, fhir.Limits{})
	if err != nil {
		a.t.Fatalf("%v in %s", err, a.body)
	}
	a.body = fhir.Encode(root)
	return a
}

// A message in XML is the same referral as in JSON: the same resources, kept as JSON, and
// the same answer, in whichever format it is asked for again.
func TestAMessageInXMLIsTheSameReferral(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		a := w.run(quiet())
		gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
		s := someone(practiceA)
		sent := inXML(t, s.message())
		first := gp.do(http.MethodPost, "/fhir/R4", sent, "Content-Type", xmlType, "X-Request-ID", "xml-1").want(http.StatusOK)
		task := receipt(first.fromXML())

		// the repeat is the kept answer, and so is the same content in JSON under another key
		again := gp.do(http.MethodPost, "/fhir/R4", sent, "Content-Type", xmlType, "X-Request-ID", "xml-1").want(http.StatusOK)
		if string(again.body) != string(first.body) {
			t.Errorf("the repeat is\n%s\nnot\n%s", again.body, first.body)
		}
		asked := gp.do(http.MethodPost, "/fhir/R4", sent, "Content-Type", xmlType, "X-Request-ID", "xml-1", "Accept", "application/fhir+json").want(http.StatusOK)
		inJSON := gp.do(http.MethodPost, "/fhir/R4", s.message()).want(http.StatusOK)
		if string(asked.body) != string(inJSON.body) || receipt(asked) != task {
			t.Errorf("in JSON the answer is\n%s\nnot\n%s", inJSON.body, asked.body)
		}
		gp.do(http.MethodPost, "/fhir/R4", []byte(strings.Replace(string(sent), "Quillfeather", "Other", 1)), "Content-Type", xmlType, "X-Request-ID", "xml-1").want(http.StatusConflict).fromXML()

		// what the other side sees does not depend on the format, nor does what is stored
		v := theOne(t, worker, s.nhsNumber)
		if v.Links.Task != task || v.Person.Name != "Dorothy Quillfeather" {
			t.Errorf("the worklist has %s, %q", v.Links.Task, v.Person.Name)
		}
		// what is stored is what the message in JSON says
		said := checked(t, s.message()).All("entry")
		at := map[string]string{} // fullUrl → where it is now
		for i, entry := range asked.node().All("entry") {
			at[said[i].Text("fullUrl")], _, _ = strings.Cut(entry.Text("response", "location"), "/_history/")
		}
		for _, entry := range said {
			stored := gp.get("/fhir/R4/" + at[entry.Text("fullUrl")]).want(http.StatusOK)
			xml := gp.do(http.MethodGet, "/fhir/R4/"+at[entry.Text("fullUrl")]+"?_format=xml", nil).want(http.StatusOK)
			if got, want := string(xml.body), string(fhir.EncodeXML(stored.node())); got != want || xml.header.Get("ETag") != stored.header.Get("ETag") {
				t.Errorf("as XML\n%s\nas JSON\n%s", got, stored.body)
			}
			n := stored.node()
			n.Remove("id")
			n.Remove("meta")
			want := string(fhir.EncodeXML(entry.Child("resource")))
			for url, reference := range at {
				want = strings.ReplaceAll(want, url, reference)
			}
			if got := string(fhir.EncodeXML(n)); got != want {
				t.Errorf("stored is\n%s\nnot\n%s", got, want)
			}
		}
		var kept, contentType string
		if err := w.db().QueryRow("SELECT body, content_type FROM message ORDER BY id LIMIT 1").Scan(&kept, &contentType); err != nil {
			t.Fatal(err)
		}
		if kept != string(sent) || contentType != xmlType {
			t.Errorf("kept as %s: %s", contentType, kept)
		}
		gp.do(http.MethodPost, "/fhir/R4", []byte(`<!DOCTYPE x>`+string(fhir.EncodeXML(checked(t, s.message())))), "Content-Type", xmlType).want(http.StatusBadRequest).fromXML()
	})
}

// The command takes a message in XML as it takes one in JSON.
func TestConvertAFileInXML(t *testing.T) {
	message := someone(practiceA).message()
	dir := write(t, map[string][]byte{"a.json": message, "b.xml": inXML(t, message)})
	fromJSON := command(t, dir, nil, "convert", "a.json").want(t, 0)
	fromXML := command(t, dir, nil, "convert", "-loss", "b.xml").want(t, 0, "nothing was lost")
	if fromXML.out != fromJSON.out {
		t.Errorf("from XML\n%s\nfrom JSON\n%s", fromXML.out, fromJSON.out)
	}
}
