package fhir

import (
	"strings"

	"spadapter/adapter/issue"
)

// carried lists the elements whose resources a document or a message must carry with it.
// Source: http://hl7.org/fhir/R4/documents.html#content, http://hl7.org/fhir/R4/messaging.html#bundle.
var carried = map[string]bool{
	"Composition.subject": true, "Composition.encounter": true, "Composition.author": true, "Composition.attester.party": true,
	"Composition.custodian": true, "Composition.event.detail": true, "Composition.section.author": true, "Composition.section.focus": true,
	"Composition.section.entry": true, "MessageHeader.focus": true,
}

// entries finds the entries of a Bundle as the standard says, by fullUrl and version
// alone. Index is more lenient: it also finds by type and id.
type entries struct {
	index *Index
	count map[entryKey]int
}

// entryKey is a fullUrl, alone or with the version of its resource.
type entryKey struct{ url, version string }

func newEntries(bundle *Node) *entries {
	e := &entries{NewIndex(bundle), map[entryKey]int{}}
	for _, entry := range bundle.All("entry") {
		if resource := entry.Child("resource"); resource != nil {
			url := entry.Text("fullUrl")
			e.count[entryKey{url, ""}]++
			if version := resource.Text("meta", "versionId"); version != "" {
				e.count[entryKey{url, version}]++
			}
		}
	}
	return e
}

// find gives how many entries a reference means, and whether there is one of the same
// type and id under another fullUrl.
// Source: http://hl7.org/fhir/R4/bundle.html#references.
func (e *entries) find(reference string, from *Node) (found int, namesake bool) {
	url, version, _ := strings.Cut(reference, "/_history/")
	relative := !absolute(url)
	namesake = relative && e.index.byID[url] != nil
	if relative {
		url = e.index.base(from) + url
	}
	return e.count[entryKey{url, version}], namesake
}

// included checks that a document or a message holds what its first resource is about.
// References by urn: are the business of references, those to contained resources of
// contained. A message may be about something that its receiver has already.
func (c *checker) included(bundle *Node, kind string) {
	e := newEntries(bundle)
	walk(bundle.Descend("entry", "resource"), func(m *Node) {
		if m.Type == nil || m.Element == nil || !carried[m.Element.Path] || c.full() {
			return
		}
		literal := m.Child("reference")
		if literal == nil || literal.Kind != String || strings.HasPrefix(literal.Value, "urn:") || strings.HasPrefix(literal.Value, "#") {
			return
		}
		if _, ok := ParseReference(c.system, literal.Value); !ok {
			return // reported as such
		}
		switch found, namesake := e.find(literal.Value, m); {
		case found > 1:
			c.report(issue.Value, literal, "bundle-reference", label(m)+" is ambiguous: several entries have this fullUrl; refer to one version with /_history/ and its meta.versionId").
				With("got %s", clip(literal.Value))
		case found == 0 && namesake:
			c.report(issue.Value, literal, "bundle-reference", label(m)+" misses its entry: one has this type and id, but another fullUrl or version; write the reference as its fullUrl").
				With("got %s", clip(literal.Value))
		case found == 0 && kind == "document":
			c.report(issue.Value, literal, "bundle-reference", label(m)+" leads nowhere: a document must hold what its Composition refers to; add the entry").
				With("got %s", clip(literal.Value))
		}
	})
}
