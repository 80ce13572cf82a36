package main

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"spadapter/adapter/store/storetest"
)

// What the README sends is taken in as the dialect that it says, for the partners that it
// writes down.
func TestTheSamplesOfOtherDialects(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := barsCast(t, url)
		for file, sample := range map[string]struct{ path, dialect string }{
			"referral-stu3.json": {"/fhir/STU3", "gpconnect-stu3"},
			"message-bars.json":  {processMessage, "bars"},
		} {
			body, err := os.ReadFile("../testdata/" + file)
			if err != nil {
				t.Fatal(err)
			}
			// the organisations of the README are those of the tests by another name
			text := strings.NewReplacer("Y99001", practiceA, "Y99201", service1, "2000099999", barsService).Replace(string(body))
			answer := c.gp.do(http.MethodPost, sample.path, []byte(text), barsWith(practiceA)...).want(http.StatusOK)
			if got := answer.header.Get("X-Referral-Dialect"); got != sample.dialect {
				t.Errorf("%s is taken as %q", file, got)
			}
		}
	})
}
