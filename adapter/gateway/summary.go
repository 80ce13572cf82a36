package gateway

import (
	"mime"
	"strconv"
	"strings"

	"spadapter/adapter/referral"
)

// oneSummary is GET /api/v1/referrals/{id}/summary: what the referral came to as one
// document, text or PDF by Accept, for the service and for the requester.
func oneSummary(x *exchange) error {
	id, err := x.resourceID()
	if err != nil {
		return err
	}
	form := summaryForm(x.accept())
	body, version, err := x.Operations.Summary(x.context(), x.call, id, form)
	if err != nil {
		return err
	}
	header := x.Writer.Header()
	header.Set("ETag", etag(version))
	header.Set("Vary", "Accept")
	ending := "txt"
	if form == referral.SummaryPDF {
		ending = "pdf"
	}
	// the name of a file may be seen by others: it is the referral's, never the person's
	header.Set("Content-Disposition", `inline; filename="social-prescribing-summary-`+id+"-"+strconv.Itoa(version)+"."+ending+`"`)
	x.send(200, form, body)
	return nil
}

// summaryForm chooses the form of a summary that the lines of an Accept header like best,
// text where they like both the same or are silent; "" when they allow neither.
// Source: RFC 9110, section 12.5.1.
func summaryForm(lines []string) string {
	if len(lines) == 0 {
		return referral.SummaryText
	}
	type wish struct {
		weight float64
		exact  int
	}
	var text, pdf wish
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			name, params, err := mime.ParseMediaType(strings.TrimSpace(part))
			if err != nil {
				continue
			}
			weight := 1.0
			if q, given := params["q"]; given {
				if weight, err = strconv.ParseFloat(q, 64); err != nil || !(weight >= 0 && weight <= 1) {
					continue
				}
			}
			take := func(w *wish, kind, exact string) {
				level := map[string]int{"*/*": rangeAny, kind + "/*": rangeType, exact: rangeName}[name]
				if level > w.exact || level == w.exact && level > 0 && weight > w.weight {
					*w = wish{weight, level}
				}
			}
			take(&text, "text", "text/plain")
			take(&pdf, "application", "application/pdf")
		}
	}
	switch {
	case text.weight == 0 && pdf.weight == 0:
		return ""
	case pdf.weight > text.weight || pdf.weight == text.weight && pdf.exact > text.exact:
		return referral.SummaryPDF
	}
	return referral.SummaryText
}
