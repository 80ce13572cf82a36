package profile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// plainNames is a Patient of n names, which no rule of FHIRPath looks at.
func plainNames(n int) string {
	return `{"resourceType":"Patient","name":[` + repeated(n, func(int) string { return `{"family":"x"}` }) + `]}`
}

// TestAskedOnce: a profile is applied once, however often and by whatever name it is
// asked for or claimed.
func TestAskedOnce(t *testing.T) {
	sd := strings.Replace(called("p", "", `{"path":"Patient.name","max":"1"}`), `"status"`, `"version":"1.0.0","status"`, 1)
	s := loaded(t, sd)
	const plain, versioned = "https://x.example/p", "https://x.example/p|1.0.0"
	work := func(body string, asked ...string) int {
		root := parsed(t, body)
		v := newValidator(s, &s.env, root)
		defer v.done()
		v.visit(root, func(*fhir.Node) []string { return asked })
		if !errors.Is(issue.Join(v.all()), issue.BusinessRule) {
			t.Errorf("%d names: %v", len(asked), v.all())
		}
		return v.given - v.steps
	}
	once := work(plainNames(1000), plain)
	if once < 1000 {
		t.Errorf("looking at 1000 names counts as %d", once)
	}
	many := slices.Repeat([]string{plain, versioned}, 500)
	if got := work(plainNames(1000), many...); got > once+len(many) {
		t.Errorf("asking again and again takes %d, once %d", got, once)
	}
	claiming := strings.Replace(plainNames(1000), `"name"`, `"meta":{"profile":["`+plain+`","`+versioned+`"]},"name"`, 1)
	if got := work(claiming, plain); got > once+100 {
		t.Errorf("claiming what is asked takes %d, once %d", got, once)
	}
}

// TestStoppedWorkStops: when the work that is allowed is done, or nobody waits, nothing
// more is looked at, however many profiles are left.
func TestStoppedWorkStops(t *testing.T) {
	var definitions, asked []string
	for i := range 300 {
		definitions = append(definitions, called(fmt.Sprintf("p%d", i), "", `{"path":"Patient.name","min":1},{"path":"Patient.name.family","min":1}`))
		asked = append(asked, fmt.Sprintf("https://x.example/p%d", i))
	}
	s := loaded(t, definitions...)
	root := wide(t, fhir.Limits{}, plainNames(20_000))
	run := func(stop func() bool) (work int, err error) {
		v := newValidator(s, &s.env, root)
		defer v.done()
		v.stop = stop
		v.visit(root, func(*fhir.Node) []string { return asked })
		return v.given - v.steps, issue.Join(v.all())
	}
	const slack = 3000 // the step that goes over
	if work, err := run(nil); !errors.Is(err, issue.TooCostly) || len(issue.All(err)) != 1 || work > maxSteps+slack {
		t.Errorf("%d steps, %v", work, err)
	}
	polls := 0
	work, err := run(func() bool { polls++; return polls == 3 })
	if !errors.Is(err, issue.Timeout) || len(issue.All(err)) != 1 || polls != 3 || work > 3*(pollEvery+slack) {
		t.Errorf("%d steps, asked %d times, %v", work, polls, err)
	}
	if err := s.ValidateUntil(func() bool { return true }, root, asked[0]); !errors.Is(err, issue.Timeout) {
		t.Error(err)
	}
	if err := s.ValidateUntil(nil, root, asked[0]); err != nil {
		t.Error(err)
	}
}
