package mapping

import "spadapter/adapter/fhir"

// The extensions that carry what an R4 StructureMap cannot say.
const (
	extensionBase       = "https://spadapter.example/fhir/StructureDefinition/"
	extensionName       = extensionBase + "map-name"       // the name, where it is no id
	extensionExpression = extensionBase + "map-expression" // the text beside it is FHIRPath
	extensionLiteral    = extensionBase + "map-literal"    // the literal that a call passes
	extensionConstant   = extensionBase + "map-constant"   // let name = value
	extensionAbout      = extensionBase + "map-about"      // key=value of a /// line
	extensionEmpty      = extensionBase + "map-empty"      // stands for no rule at all
)

// extensions are the values of the extensions of n with that url.
func extensions(n *fhir.Node, url string) []*fhir.Node {
	var out []*fhir.Node
	for _, x := range n.All("extension") {
		if v := x.Child("value"); v != nil && x.Text("url") == url {
			out = append(out, v)
		}
	}
	return out
}

// extension is the first of them, nil when there is none.
func extension(n *fhir.Node, url string) *fhir.Node {
	for _, v := range extensions(n, url) {
		return v
	}
	return nil
}
