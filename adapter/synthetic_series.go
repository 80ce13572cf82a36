package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"spadapter/adapter/fhir"
)

// maxSeries is how many referrals one series can have: of the million numbers
// 999 000 000x to 999 999 999x about one in eleven has no check digit.
const maxSeries = 900_000

// series makes referrals of 8 entries that differ in person, identifiers and UUIDs. It
// is safe for concurrent use. Making one costs a copy and some forty small patches, since the
// load shares the machine with the server that it measures.
type series struct {
	text    []byte
	entries int              // of each referral
	marks   [markCount][]int // where in text each part begins

	mu      sync.Mutex
	seed    uint64
	made    uint64 // referrals so far
	numbers nhsNumbers
}

// message is one referral of a series, in a buffer that is used again.
type message struct {
	body       []byte
	identifier string // ServiceRequest.identifier.value
	requestID  string // a UUID for X-Request-ID
	entries    int
}

// The parts of a referral that differ, and what stands for them in the template. Each
// has the length of what replaces it and occurs nowhere else in the text.
const (
	markNumber = iota
	markFamily
	markBirth
	markTelephone
	markIdentifier
	markUUID
	markCount
)

var markText = [markCount]string{
	"9NNNNNNNNN", "Ffffff", "YYYY-MM-DD", "TTT", "SP-IIIIIIIIIIIIIIII", "UUUUUUUU-UUUU-4UUU-8UUU-UUUUUUUUUU",
}

// surnames have six letters, so that they fit the mark. They are varied because an index on one
// and the same name would be cheaper to write than a real one.
var surnames = strings.Fields(`Abbott Archer Atkins Bailey Barker Barnes Barton Benson Bishop Bolton Bowers Briggs
	Burton Butler Carter Coates Cooper Dalton Davies Dawson Dixons Draper Duncan Elliot Farmer Fisher Foster Fowler
	Fuller Garner Gibson Gordon Graham Graves Hammon Harper Harris Hayden Holmes Horton Howard Hughes Hunter Jarvis
	Kemble Kendal Lawson Lowell Mercer Miller Morgan Morris Norman Norton Oakley Palmer Parker Porter Potter Powell
	Rogers Spence Turner Walker`)

// newSeries starts a series sent by practice. Two series with the same seed are the
// same; with different ones the identifiers differ, and the NHS numbers mostly do.
func newSeries(practice string, seed uint64) *series {
	return seriesFrom(practice, seed, (*synthetic).bundle)
}

// newMessageSeries is newSeries for messages of BaRS to the service of the demo.
func newMessageSeries(practice string, seed uint64) *series {
	return seriesFrom(practice, seed, func(s *synthetic) *fhir.Node { return s.barsMessage(demoService) })
}

func seriesFrom(practice string, seed uint64, template func(*synthetic) *fhir.Node) *series {
	o := syntheticObservations
	person := synthetic{
		practice: practice, practiceName: "Synthetic practice " + practice,
		nhsNumber: markText[markNumber], family: markText[markFamily], birthDate: markText[markBirth], telephone: markText[markTelephone],
		identifier:   markText[markIdentifier],
		uuid:         func(entry int) string { return fmt.Sprintf("%s%02x", markText[markUUID], entry) },
		observations: []syntheticObservation{o[0], o[4], o[5]},
	}
	bundle := template(&person)
	s := &series{text: fhir.Encode(bundle), entries: len(bundle.All("entry")), seed: seed, numbers: nhsNumbers{at: mix(seed) % nhsRange}}
	for i, mark := range markText {
		for at := 0; ; {
			found := bytes.Index(s.text[at:], []byte(mark))
			if found < 0 {
				break
			}
			s.marks[i] = append(s.marks[i], at+found)
			at += found + len(mark)
		}
	}
	return s
}

// next makes the next referral in m, whose buffer it takes over.
func (s *series) next(m *message) {
	s.mu.Lock()
	s.made++
	n := s.made
	number := s.numbers.next()
	s.mu.Unlock()

	// the low half counts, so that no two of a series are the same; mix is one to one
	a, b := mix(s.seed<<32|n), mix(^(s.seed<<32 | n))
	m.body = append(m.body[:0], s.text...)
	m.entries = s.entries
	m.identifier = fmt.Sprintf("SP-%016x", a)
	digits := fmt.Sprintf("%016x%016x", a, b)
	uuid := digits[:8] + "-" + digits[8:12] + "-4" + digits[12:15] + "-8" + digits[15:18] + "-" + digits[18:28]
	m.requestID = uuid + "ff"
	birth := fmt.Sprintf("%04d-%02d-%02d", 1930+b%75, 1+b>>8%12, 1+b>>16%28)
	telephone := fmt.Sprintf("%03d", b>>24%1000)
	for i, text := range [markCount]string{number, surnames[b>>40%uint64(len(surnames))], birth, telephone, m.identifier, uuid} {
		for _, at := range s.marks[i] {
			copy(m.body[at:], text)
		}
	}
}

// nhsRange is the number of NHS numbers that begin with 999, check digits aside. No
// living person has one of them.
const nhsRange = 1_000_000

// nhsNumbers gives every number of the range once before it repeats any, in an order
// as scattered as the numbers of real patients are.
type nhsNumbers struct{ at uint64 }

func (x *nhsNumbers) next() string {
	for {
		// the stride shares no factor with the range, so every number is met
		x.at = (x.at + 618_033) % nhsRange
		if number, ok := nhsNumber(int(x.at)); ok {
			return number
		}
	}
}

// nhsNumber gives the n-th number of the range 999 with its check digit; false for
// those that have none. n is from 0 to 999,999.
// Source: https://www.datadictionary.nhs.uk/attributes/nhs_number.html.
func nhsNumber(n int) (string, bool) {
	digits := strconv.Itoa(999*nhsRange + n)
	sum := 0
	for i := range digits {
		sum += (10 - i) * int(digits[i]-'0')
	}
	check := (11 - sum%11) % 11
	return digits + strconv.Itoa(check%10), check != 10
}

// mix is the finaliser of splitmix64: it scatters a counter and is one to one.
// Source: https://prng.di.unimi.it/splitmix64.c.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
