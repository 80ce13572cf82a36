package terminology

// SNOMED is the code system SNOMED CT.
const SNOMED = "http://snomed.info/sct"

// The partitions of SNOMED CT identifiers, without the digit that says whether there is a
// namespace.
const (
	partitionConcept      = 0
	partitionDescription  = 1
	partitionRelationship = 2
)

// digits reads 6 to 18 digits without a leading zero, the form of a SNOMED CT identifier.
func digits[T string | []byte](text T) (uint64, bool) {
	if len(text) < 6 || len(text) > 18 || text[0] == '0' {
		return 0, false
	}
	id := uint64(0)
	for i := range len(text) {
		c := text[i] - '0'
		if c > 9 {
			return 0, false
		}
		id = id*10 + uint64(c)
	}
	return id, true
}

// sctid reads a SNOMED CT identifier; false for one whose form or check digit is wrong.
// Source: http://snomed.org/rfs, 5.5 Check digit.
func sctid[T string | []byte](text T) (uint64, bool) {
	id, ok := digits(text)
	if !ok {
		return 0, false
	}
	return id, checks(id) && id/10%10 <= partitionRelationship && id/100%10 <= 1
}

// Verhoeff reports whether text is 6 to 18 digits without a leading zero, with the right
// check digit of a SNOMED CT identifier. It does not say that the concept exists.
// Source: https://confluence.ihtsdotools.org/display/DOCRELFMT/5.5+Check+Digit.
func Verhoeff(text string) bool {
	id, ok := digits(text)
	return ok && checks(id)
}

// checks reports whether the last digit is the check digit of the others.
func checks(id uint64) bool {
	check := uint8(0)
	for i := 0; id > 0; id, i = id/10, i+1 {
		check = dihedral[check][turns[i%8][id%10]]
	}
	return check == 0
}

// partition says what an identifier is of: a concept, a description or a relationship.
func partition(id uint64) int { return int(id / 10 % 10) }

// namespace is the namespace of an identifier, 0 for the International Release.
func namespace(id uint64) uint64 {
	if id/100%10 == 0 {
		return 0
	}
	return id / 1000 % 10_000_000
}

// dihedral multiplies in the group D5, and turns permutes by position: Verhoeff's check
// digit.
var (
	dihedral = [10][10]uint8{
		{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 2, 3, 4, 0, 6, 7, 8, 9, 5}, {2, 3, 4, 0, 1, 7, 8, 9, 5, 6},
		{3, 4, 0, 1, 2, 8, 9, 5, 6, 7}, {4, 0, 1, 2, 3, 9, 5, 6, 7, 8}, {5, 9, 8, 7, 6, 0, 4, 3, 2, 1},
		{6, 5, 9, 8, 7, 1, 0, 4, 3, 2}, {7, 6, 5, 9, 8, 2, 1, 0, 4, 3}, {8, 7, 6, 5, 9, 3, 2, 1, 0, 4},
		{9, 8, 7, 6, 5, 4, 3, 2, 1, 0},
	}
	turns = [8][10]uint8{
		{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 5, 7, 6, 2, 8, 3, 0, 9, 4}, {5, 8, 0, 3, 7, 9, 6, 1, 4, 2},
		{8, 9, 1, 6, 0, 4, 3, 5, 2, 7}, {9, 4, 5, 3, 1, 2, 6, 8, 7, 0}, {4, 2, 8, 6, 5, 7, 3, 9, 0, 1},
		{2, 7, 9, 3, 8, 0, 6, 4, 1, 5}, {7, 0, 4, 6, 9, 1, 3, 2, 5, 8},
	}
)
