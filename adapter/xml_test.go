package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
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
	if piped := command(t, dir, inXML(t, message), "convert", "-").want(t, 0); piped.out != fromJSON.out {
		t.Errorf("from standard input\n%s", piped.out)
	}
	command(t, dir, []byte("\n <Bundle>\n"), "convert", "-").want(t, 1, "xml-namespace", "line 2, column 2")

	// a folder gives its XML too, and what is written is JSON and called so
	folder := write(t, map[string][]byte{"in/a.json": message, "in/deep/b.XML": inXML(t, message), "in/c.txt": nil})
	command(t, folder, nil, "convert", "-o", "out", "in").want(t, 0)
	for _, name := range []string{"a.json", "deep/b.json"} {
		if made, err := os.ReadFile(filepath.Join(folder, "out", name)); err != nil || string(made) != fromJSON.out {
			t.Errorf("%s: %v\n%s", name, err, made)
		}
	}
	same := write(t, map[string][]byte{"in/a.json": message, "in/a.xml": inXML(t, message)})
	command(t, same, nil, "convert", "-o", "out", "in").want(t, 1, "would both be written to")
}

// The program as it is started, asked in every way a client can ask for a format.
func TestFormatsOfTheProgram(t *testing.T) {
	w := newWorld(t, "")
	a := w.start()
	gp := a.as(auth.RoleRequester, practiceA)
	s := someone(practiceA)
	sent := inXML(t, s.message())

	// a transaction goes in and is answered in XML, and what it made is read in both formats
	first := gp.do(http.MethodPost, "/fhir/R4", sent, "Content-Type", xmlType+"; charset=UTF-8", "X-Request-ID", "x-1").want(http.StatusOK)
	task := receipt(first.fromXML())
	inJSON := gp.do(http.MethodGet, "/fhir/R4/"+task, nil, "Accept", "application/fhir+json").want(http.StatusOK)
	for _, c := range []struct {
		query, accept string
		xml           bool
	}{
		{"", "application/fhir+xml", true}, {"", "application/fhir+xml;q=0.9, application/fhir+json;q=0.5", true},
		{"", "application/fhir+xml;q=0.4, application/fhir+json;q=0.5", false}, {"", "text/xml", true}, {"", "*/*", false},
		{"?_format=xml", "application/fhir+json", true}, {"?_format=application/fhir%2Bxml", "", true}, {"?_format=json", "application/fhir+xml", false},
	} {
		got := gp.do(http.MethodGet, "/fhir/R4/"+task+c.query, nil, "Accept", c.accept).want(http.StatusOK)
		if c.xml {
			got = got.fromXML()
		}
		if got.header.Get("ETag") != inJSON.header.Get("ETag") || string(fhir.EncodeXML(got.node())) != string(fhir.EncodeXML(inJSON.node())) {
			t.Errorf("%s %q: %s", c.query, c.accept, got.body)
		}
	}

	// what is wrong with a message is the same in both formats, and told with its place
	bad := bytes.Replace(s.message(), []byte(`"gender":"`), []byte(`"gender":"x`), 1)
	root, err := fhir.Parse(fhir.Types(fhir.R4), bad, fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	asXML := fhir.EncodeXMLIndent(root)
	refused := gp.do(http.MethodPost, "/fhir/R4", asXML, "Content-Type", xmlType).want(http.StatusUnprocessableEntity).fromXML()
	alike := gp.do(http.MethodPost, "/fhir/R4", bad).want(http.StatusUnprocessableEntity)
	line := 1 + bytes.Count(asXML[:bytes.Index(asXML, []byte(`<gender value="x`))], []byte("\n"))
	issue := refused.node().Child("issue")
	if got := strings.Join(refused.rules(), " "); got != "required-code" || got != strings.Join(alike.rules(), " ") || issue.Text("expression") != alike.node().Text("issue", "expression") ||
		!strings.HasSuffix(issue.Text("expression"), ".resource.gender") || issue.Text("extension", "value") != strconv.Itoa(line) {
		t.Errorf("line %d: %s\n%s", line, refused.body, alike.body)
	}
	half := gp.do(http.MethodPost, "/fhir/R4", sent[:len(sent)/2], "Content-Type", xmlType).want(http.StatusBadRequest).fromXML()
	if rules := half.rules(); len(rules) != 1 || rules[0] != "xml" {
		t.Errorf("%s", half.body)
	}

	// what cannot be read or written is refused in the format of the request
	for _, c := range []struct {
		contentType, accept, query string
		status                     int
		xml                        bool
	}{
		{"application/fhir+turtle", "", "", http.StatusUnsupportedMediaType, false},
		{"application/fhir+turtle", xmlType, "", http.StatusUnsupportedMediaType, true},
		{"text/plain", "", "", http.StatusUnsupportedMediaType, false},
		{xmlType + "; charset=iso-8859-1", "", "", http.StatusUnsupportedMediaType, true},
		{xmlType + "; fhirVersion=3.0", "", "", http.StatusUnsupportedMediaType, true},
		{xmlType, "application/fhir+turtle", "", http.StatusNotAcceptable, true},
		{xmlType, "application/fhir+xml;q=0", "", http.StatusNotAcceptable, true},
		{xmlType, "", "?_format=ttl", http.StatusNotAcceptable, true},
	} {
		got := gp.do(http.MethodPost, "/fhir/R4"+c.query, sent, "Content-Type", c.contentType, "Accept", c.accept).want(c.status)
		if c.xml {
			got = got.fromXML()
		}
		if got.node().ResourceType() != "OperationOutcome" {
			t.Errorf("%+v: %s", c, got.body)
		}
	}

	// what a repeat gets is what the first one got, after a restart too
	if code := a.terminate(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	again := w.start().as(auth.RoleRequester, practiceA).do(http.MethodPost, "/fhir/R4", sent, "Content-Type", xmlType+"; charset=UTF-8", "X-Request-ID", "x-1").want(http.StatusOK)
	if !bytes.Equal(again.body, first.body) || again.header.Get("Content-Type") != first.header.Get("Content-Type") {
		t.Errorf("the repeat is\n%s\nnot\n%s", again.body, first.body)
	}
	// kept is every body that was read, as it came: the good one once, byte for byte
	if n := w.number("SELECT count(*) FROM message WHERE content_type = '" + xmlType + "; charset=UTF-8'"); n != 1 {
		t.Errorf("the message is kept %d times", n)
	}
	var kept []byte
	if err := w.db().QueryRow("SELECT body FROM message WHERE content_type = '" + xmlType + "; charset=UTF-8'").Scan(&kept); err != nil || !bytes.Equal(kept, sent) {
		t.Errorf("%v: kept is\n%s", err, kept)
	}
}
