package mapping

import (
	"github.com/google/uuid"

	"spadapter/adapter/fhir"
)

// envelope is a Bundle around a resource that was sent alone. Its entry holds a copy of
// the resource's own node alone; the elements below are those of the source, so that they
// keep their paths and lines.
type envelope struct {
	sent     *fhir.Node
	bundle   *fhir.Node
	resource *fhir.Node // the copy
}

// envelope makes one where the first source is a Bundle and the input is not; nil
// otherwise.
func (m *Map) envelope(in Input) *envelope {
	types := m.Sources()
	if len(types) == 0 || types[0] == nil || types[0].Name != "Bundle" || in.Source == nil || in.Source.Type == nil ||
		in.Source.Type.Kind != fhir.Resource || in.Source.Type.Name == "Bundle" || in.Source.Type.System() != types[0].System() {
		return nil
	}
	e := &envelope{sent: in.Source, bundle: fhir.New(types[0])}
	e.bundle.Set("type", "collection")
	entry := e.bundle.Add("entry")
	// uuid() counts from 1
	entry.Set("fullUrl", "urn:uuid:"+uuid.NewSHA1(namespace, []byte(in.Identity+"#0")).String())
	resource := *in.Source
	e.resource = entry.Append("resource", &resource)
	return e
}

// original is what was sent in place of a node that only the envelope has.
func (e *envelope) original(n *fhir.Node) *fhir.Node {
	if e != nil && n != nil && n.Root() == e.bundle {
		return e.sent
	}
	return n
}
