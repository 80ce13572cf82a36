package main

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
)

// On a screen no line is wider than it is: words go on under the message, and the marks
// stand under what they mean. In a file a message is one line.
func TestValidateFitsTheScreen(t *testing.T) {
	v := shippedValidator(t)
	body := []byte(`{ "resourceType": "Patient", "gender": "日本語日本語", "birthday": "` + strings.Repeat("1949-05-14 ", 30) + `",` + "\n" +
		`"name": [ { "family": "` + strings.Repeat("é", 90) + `", "given": "D" } ], "active": "true" }`)
	root, err := fhir.Read(fhir.Types(fhir.R4), body, fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	found := v.validate(root, question{})
	if len(found) < 4 {
		t.Fatal(found)
	}
	show := func(wrap bool, columns int) []string {
		var out bytes.Buffer
		r := &textReport{out: bufio.NewWriter(&out), columns: columns, wrap: wrap, terminal: &terminal{}}
		if err := r.add(&validated{file: "patient.json", issues: found, convertMessage: convertMessage{body: body}}); err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	}
	inFile := show(false, defaultColumns)
	var words []string
	for _, line := range inFile {
		if strings.HasPrefix(line, "patient.json:") {
			words = append(words, strings.Fields(line)...)
		}
	}
	for _, columns := range []int{40, 72, 80, 81, 132, 1000} {
		t.Run(fmt.Sprint(columns), func(t *testing.T) {
			var said []string
			message := false
			for i, line := range show(true, columns) {
				// a word that is wider than what remains of the screen stays whole
				if columnsOf(line) > columns && len(strings.Fields(line)) > 1 {
					t.Errorf("%d columns: %q", columnsOf(line), line)
				}
				switch {
				case i > 0 && strings.TrimSpace(line) == "":
					t.Error("an empty line")
				case strings.HasPrefix(line, "patient.json:"):
					message = true
				case strings.Contains(line, " | ") || strings.HasPrefix(line, "   = "):
					message = false
				}
				if message {
					said = append(said, strings.Fields(line)...)
				}
			}
			if strings.Join(said, " ") != strings.Join(words, " ") {
				t.Errorf("%v\nis not\n%v", said, words)
			}
		})
	}
}
