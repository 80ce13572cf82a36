package referral

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"spadapter/adapter/fhir"
)

// canonicalForm writes what a resource says, without how it was sent: members in the
// order of their names, no id and meta of the resource, and each reference as name
// gives it.
func canonicalForm(dst []byte, n *fhir.Node, name func(literal *fhir.Node) string) []byte {
	if n.HasValue() {
		value := n.Value
		if n.Name == "reference" && n.Parent != nil && n.Parent.Type != nil && n.Parent.Type.Name == "Reference" {
			value = name(n)
		}
		dst = append(dst, value...)
		dst = append(dst, 0)
		if len(n.Children) == 0 {
			return dst
		}
	}
	children := n.Children
	// the order of members says nothing, the order in an array does
	if !slices.IsSortedFunc(children, byName) {
		children = slices.Clone(children)
		slices.SortStableFunc(children, byName)
	}
	dst = append(dst, '{')
	dst = append(dst, n.ResourceType()...)
	for _, c := range children {
		if n.ResourceType() != "" && (c.Name == "id" || c.Name == "meta") {
			continue
		}
		dst = append(dst, c.Name...)
		dst = append(dst, ':')
		dst = canonicalForm(dst, c, name)
	}
	return append(dst, '}')
}

func byName(a, b *fhir.Node) int { return strings.Compare(a.Name, b.Name) }

// sameContent reports whether two versions of a resource say the same, references aside.
func sameContent(a, b *fhir.Node) bool {
	ignore := func(*fhir.Node) string { return "" }
	return bytes.Equal(canonicalForm(nil, a, ignore), canonicalForm(nil, b, ignore))
}

// contentHash is the same for two normalised referrals with the same clinical content:
// ids, fullUrls, meta and the order of entries aside. A reference counts by what its
// target says, since its text differs with every sending.
func contentHash(bundle *fhir.Node) string {
	entries := bundle.All("entry")
	index := fhir.NewIndex(bundle)
	own := make(map[*fhir.Node][sha256.Size]byte, len(entries))
	var buffer []byte
	for _, entry := range entries {
		if r := entry.Child("resource"); r != nil {
			buffer = canonicalForm(buffer[:0], r, func(*fhir.Node) string { return "" })
			own[r] = sha256.Sum256(buffer)
		}
	}
	var sums []string
	for _, entry := range entries {
		r := entry.Child("resource")
		if r == nil {
			continue
		}
		// what a resource says is in own already; here its edges to the others
		sum := own[r]
		buffer = append(buffer[:0], sum[:]...)
		eachReference(r, func(ref, literal *fhir.Node) {
			target := index.Resolve(literal.Value, ref)
			switch sum, ok := own[target]; {
			case ok:
				buffer = append(buffer, sum[:]...)
			case !strings.HasPrefix(literal.Value, "urn:") && !strings.HasPrefix(literal.Value, canonical):
				buffer = append(buffer, literal.Value...)
			}
			buffer = append(buffer, 0)
		})
		sum = sha256.Sum256(buffer)
		sums = append(sums, string(sum[:]))
	}
	slices.Sort(sums)
	total := sha256.Sum256([]byte(strings.Join(sums, "")))
	return hex.EncodeToString(total[:])
}
