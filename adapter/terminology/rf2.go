package terminology

import (
	"bytes"
	"io"
	"path"
	"slices"
	"strings"

	"spadapter/adapter/issue"
)

// table is one form of file of SNOMED CT's Release Format 2.
// Source: http://snomed.org/rfs, 4 Release file specifications.
type table struct {
	kind    string // for people
	columns string
	read    func(b *releaseBuilder, r *rows) (inactive int)
}

const (
	common  = "id\teffectiveTime\tactive\tmoduleId\t"
	members = common + "refsetId\treferencedComponentId"
)

var (
	conceptTable      = &table{"RF2 concepts", common + "definitionStatusId", (*releaseBuilder).concepts}
	descriptionTable  = &table{"RF2 descriptions", common + "conceptId\tlanguageCode\ttypeId\tterm\tcaseSignificanceId", (*releaseBuilder).descriptions}
	relationshipTable = &table{"RF2 relationships", common + "sourceId\tdestinationId\trelationshipGroup\ttypeId\tcharacteristicTypeId\tmodifierId", (*releaseBuilder).relationships}
	simpleTable       = &table{"RF2 simple reference sets", members, (*releaseBuilder).simple}
	languageTable     = &table{"RF2 language reference sets", members + "\tacceptabilityId", (*releaseBuilder).language}
)

var tables = []*table{conceptTable, descriptionTable, relationshipTable, simpleTable, languageTable}

// Concepts of SNOMED CT that the release format is written in.
// Source: http://snomed.org/rfs.
const (
	conceptRoot      = 138875005
	conceptIsA       = 116680003
	typeFSN          = 900000000000003001
	typeSynonym      = 900000000000013009
	typeDefinition   = 900000000000550004
	preferred        = 900000000000548007
	acceptable       = 900000000000549004
	statusPrimitive  = 900000000000074008
	statusDefined    = 900000000000073002
	characterStated  = 900000000000010007
	languageGB       = 900000000000508004
	languageUS       = 900000000000509007
	languageClinical = 999001261000000100 // NHS realm, clinical part
	languagePharmacy = 999000691000001104 // NHS realm, pharmacy part
)

// languages are the language reference sets in the order in which they name a concept;
// others come after them.
var languages = []uint64{languageClinical, languagePharmacy, languageGB, languageUS}

// rf2Name is a file name of the release format:
// FileType_ContentType_ContentSubType_CountryNamespace_VersionDate.
// Source: http://snomed.org/rfs, 3.3 Release file naming convention.
type rf2Name struct {
	content string // such as Concept, or cRefset
	summary string // such as Language; "" for none
	release string // Snapshot, Full or Delta
	variant string // everything but the date: what a release has once
}

// rf2 reads a file name; false for one that is not of the release format.
func rf2(name string) (rf2Name, bool) {
	base := strings.TrimSuffix(path.Base(name), ".txt")
	parts := strings.Split(base, "_")
	if len(parts) != 5 || base == path.Base(name) {
		return rf2Name{}, false
	}
	if kind := strings.TrimLeft(parts[0], "xz"); kind != "sct2" && kind != "der2" {
		return rf2Name{}, false
	}
	n := rf2Name{content: parts[1], variant: strings.Join(parts[:4], "_")}
	sub, _, _ := strings.Cut(parts[2], "-")
	for _, release := range []string{"Snapshot", "Full", "Delta"} {
		if summary, ok := strings.CutSuffix(sub, release); ok {
			n.summary, n.release = summary, release
		}
	}
	return n, n.release != ""
}

// table is the form that a file of that name has, nil for one that is not read here.
func (n rf2Name) table() *table {
	switch {
	case n.content == "Concept":
		return conceptTable
	case n.content == "Description":
		return descriptionTable
	case n.content == "Relationship" && n.summary == "":
		return relationshipTable
	case n.content == "Refset":
		return simpleTable
	case n.content == "cRefset" && strings.HasPrefix(n.summary, "Language"):
		return languageTable
	}
	return nil
}

// headed is the form whose header a line is, nil when it is that of none.
func headed(line []byte) *table {
	i := slices.IndexFunc(tables, func(t *table) bool { return strings.EqualFold(t.columns, string(line)) })
	if i < 0 {
		return nil
	}
	return tables[i]
}

// load reads one file of a form and adds it to the release. What is wrong with it is
// told, and then nothing of the release may be used.
func (b *releaseBuilder) load(t *table, from io.Reader, progress func(rows int, read int64)) (count, inactive int) {
	r := newRows(from, b.faults, progress)
	header, ok := r.text()
	if !ok || headed(header) != t {
		b.faults.add(1, issue.Structure, "rf2-header", "the header is not that of %s: %s", t.kind, strings.ReplaceAll(t.columns, "\t", ", "))
		return 0, 0
	}
	r.columns = strings.Count(t.columns, "\t") + 1
	inactive = t.read(b, r)
	return r.count, inactive
}

// row reads the columns that every form begins with. ok is false for a row that is at
// fault, which is told.
func (b *releaseBuilder) row(r *rows, component int) (id uint64, time uint32, active, ok bool) {
	ok = true
	if component != anyComponent {
		id, ok = b.id(r, 0, "id", component)
	} else if !isUUID(r.fields[0]) {
		b.faults.add(r.line, issue.Value, "rf2-member", "the id of a member of a reference set is a UUID")
		ok = false
	}
	for _, c := range r.fields[1] {
		if c < '0' || c > '9' || len(r.fields[1]) != 8 {
			b.faults.add(r.line, issue.Value, "rf2-time", "effectiveTime has the form YYYYMMDD")
			ok = false
			break
		}
		time = time*10 + uint32(c-'0')
	}
	if time == 0 && ok {
		b.faults.add(r.line, issue.Value, "rf2-time", "effectiveTime has the form YYYYMMDD")
		ok = false
	}
	if len(r.fields[2]) != 1 || r.fields[2][0] != '0' && r.fields[2][0] != '1' {
		b.faults.add(r.line, issue.Value, "rf2-active", "active is 1 or 0")
		ok = false
	}
	if !bytes.Equal(r.fields[3], b.module) { // a file has few modules, and thousands of rows of each
		if _, fine := b.id(r, 3, "moduleId", partitionConcept); fine {
			b.module = append(b.module[:0], r.fields[3]...)
		} else {
			ok = false
		}
	}
	return id, time, ok && r.fields[2][0] == '1', ok
}

// id reads the identifier in a column; component is its partition, or anyComponent.
func (b *releaseBuilder) id(r *rows, column int, name string, component int) (uint64, bool) {
	text := r.fields[column]
	id, ok := sctid(text)
	switch {
	case !ok && bytes.ContainsAny(text, "Ee.+"):
		b.faults.add(r.line, issue.Value, "sctid", "%s is %.40q, which a spreadsheet has rounded: export the column as text", name, text)
	case !ok:
		b.faults.add(r.line, issue.Value, "sctid", "%s is %.40q, which is no SNOMED CT identifier: 6 to 18 digits with a right check digit", name, text)
	case component != anyComponent && partition(id) != component:
		b.faults.add(r.line, issue.Value, "sctid", "%s is %d, which is the identifier of %s, not of %s", name, id, componentNames[partition(id)], componentNames[component])
		ok = false
	}
	return id, ok
}

const anyComponent = -1

var componentNames = [...]string{"a concept", "a description", "a relationship"}

// known reads an identifier that must be one of a few.
func (b *releaseBuilder) known(r *rows, column int, name string, of ...uint64) (uint64, bool) {
	id, ok := digits(r.fields[column])
	if !ok || !slices.Contains(of, id) {
		b.faults.add(r.line, issue.Value, "rf2-value", "%s is %.40q, which the release format does not have there", name, r.fields[column])
		return 0, false
	}
	return id, true
}

func (b *releaseBuilder) concepts(r *rows) (inactive int) {
	for r.next() {
		id, time, active, ok := b.row(r, partitionConcept)
		status, known := b.known(r, 4, "definitionStatusId", statusPrimitive, statusDefined)
		if !ok || !known {
			continue
		}
		if !active {
			inactive++
		}
		b.stated = append(b.stated, statedConcept{id: id, time: time, active: active, defined: status == statusDefined})
	}
	return inactive
}

func (b *releaseBuilder) descriptions(r *rows) (inactive int) {
	for r.next() {
		id, time, active, ok := b.row(r, partitionDescription)
		concept, fine := b.id(r, 4, "conceptId", partitionConcept)
		kind, known := b.known(r, 6, "typeId", typeFSN, typeSynonym, typeDefinition)
		if len(r.fields[7]) == 0 {
			b.faults.add(r.line, issue.Required, "rf2-term", "the description has no term")
			ok = false
		}
		if !ok || !fine || !known {
			continue
		}
		if !active {
			inactive++
		}
		if kind == typeDefinition {
			continue
		}
		d := description{id: id, concept: concept, time: time, active: active}
		if active {
			d.kind = termSynonym
			if kind == typeFSN {
				d.kind = termFSN
			}
			d.language = b.languageCode(r.fields[5])
			d.at, d.size = b.text.add(r.fields[7])
		}
		b.terms = append(b.terms, d)
	}
	return inactive
}

func (b *releaseBuilder) relationships(r *rows) (inactive int) {
	for r.next() {
		_, _, active, ok := b.row(r, partitionRelationship)
		source, fine := b.id(r, 4, "sourceId", partitionConcept)
		target, good := b.id(r, 5, "destinationId", partitionConcept)
		kind, is := b.id(r, 7, "typeId", partitionConcept)
		if !ok || !fine || !good || !is {
			continue
		}
		if !active {
			inactive++
			continue
		}
		if stated, _ := digits(r.fields[8]); kind == conceptIsA && stated != characterStated {
			b.isA = append(b.isA, [2]uint64{source, target})
		}
	}
	b.related = true
	return inactive
}

func (b *releaseBuilder) simple(r *rows) (inactive int) {
	for r.next() {
		_, _, active, ok := b.row(r, anyComponent)
		refset, fine := b.id(r, 4, "refsetId", partitionConcept)
		member, good := b.id(r, 5, "referencedComponentId", anyComponent)
		if !ok || !fine || !good {
			continue
		}
		if !active {
			inactive++
		}
		b.member(refset, member, active)
	}
	return inactive
}

func (b *releaseBuilder) language(r *rows) (inactive int) {
	for r.next() {
		_, _, active, ok := b.row(r, anyComponent)
		refset, fine := b.id(r, 4, "refsetId", partitionConcept)
		member, good := b.id(r, 5, "referencedComponentId", partitionDescription)
		kind, known := b.known(r, 6, "acceptabilityId", preferred, acceptable)
		switch {
		case !ok || !fine || !good || !known:
		case !active:
			inactive++
		case kind == preferred:
			b.preferred = append(b.preferred, preference{description: member, rank: b.languageRank(refset)})
		}
	}
	return inactive
}

// isUUID reports whether text has the form 8-4-4-4-12 of hexadecimal digits.
func isUUID(text []byte) bool {
	if len(text) != 36 {
		return false
	}
	for i, c := range text {
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F'):
			return false
		}
	}
	return true
}
