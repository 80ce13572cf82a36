package referral

import (
	"encoding/base64"
	"mime"
	"strings"
	"unicode/utf8"

	"spadapter/adapter/fhir"
)

// Statement is a document, or a questionnaire with its answers.
type Statement struct {
	Type        *Concept     `json:"type,omitempty"`
	Title       string       `json:"title,omitempty"`
	Status      string       `json:"status,omitempty"`
	Ended       bool         `json:"ended,omitempty"` // superseded by another
	Date        string       `json:"date,omitempty"`
	Authors     []string     `json:"authors,omitempty"`
	Attachments []Attachment `json:"attachments,omitempty"`
	Answers     []Answer     `json:"answers,omitempty"`
	Categories  []Concept    `json:"categories,omitempty"`
	Labels      []Coded      `json:"security_labels,omitempty"`
	Reference   string       `json:"reference,omitempty"`
	More        []Detail     `json:"more,omitempty"`
}

// Attachment is one form of a document. What is not text is read at its reference.
type Attachment struct {
	Title       string `json:"title,omitempty"`
	ContentType string `json:"content_type,omitempty"`
	Language    string `json:"language,omitempty"`
	URL         string `json:"url,omitempty"`
	Created     string `json:"created,omitempty"`
	Text        string `json:"text,omitempty"` // of a document in plain text
}

// Answer is what was said to one question.
type Answer struct {
	Question string   `json:"question"`
	Answers  []string `json:"answers"`
	Codes    []Coded  `json:"codes,omitempty"`
}

// document files a DocumentReference: about me, or another.
func (h *sheet) document(n *fhir.Node) {
	r := h.read
	d := Statement{Type: r.concept(n.Child("type")), Title: r.text(n, "description"), Status: r.text(n, "status"), Date: r.text(n, "date"),
		Categories: r.concepts(n.All("category")), Labels: r.codings(n.Child("meta").All("security")), Reference: "DocumentReference/" + n.Text("id")}
	for _, label := range r.concepts(n.All("securityLabel")) {
		if d.Labels = append(d.Labels, label.Codes...); len(label.Codes) == 0 || label.Text != label.Codes[0].Display {
			d.Labels = append(d.Labels, Coded{Text: label.Text})
		}
	}
	d.Ended = d.Status == "superseded"
	for _, author := range n.All("author") {
		if name := r.text(author, "display"); name != "" {
			d.Authors = append(d.Authors, name)
		}
	}
	words := []string{d.Title}
	codes := []Coded{}
	if d.Type != nil {
		words, codes = append(words, d.Type.Text), append(codes, d.Type.Codes...)
	}
	for _, content := range n.All("content") {
		a := r.attachment(content.Child("attachment"))
		words = append(words, a.Title)
		d.Attachments = append(d.Attachments, a)
	}
	d.More = r.rest(n, h.linked)
	h.told[n] = true
	if h.s.in("sp-about-me", codes, words...) {
		h.AboutMe = append(h.AboutMe, d)
	} else {
		h.Documents = append(h.Documents, d)
	}
}

func (r reading) attachment(n *fhir.Node) Attachment {
	a := Attachment{Title: r.text(n, "title"), ContentType: r.text(n, "contentType"), Language: r.text(n, "language"), URL: r.text(n, "url"), Created: r.text(n, "creation")}
	for _, name := range []string{"size", "hash"} { // of the bytes, not of what they say
		r.text(n, name)
	}
	kind, parameters, err := mime.ParseMediaType(a.ContentType)
	charset := strings.ToLower(parameters["charset"])
	if err != nil || kind != "text/plain" || charset != "" && charset != "utf-8" && charset != "us-ascii" {
		return a
	}
	if data, err := base64.StdEncoding.DecodeString(n.Text("data")); err == nil && utf8.Valid(data) {
		a.Text = string(data)
	}
	return a
}

// answers files a QuestionnaireResponse: about me, where one of its questions is one of
// that section, else an assessment.
func (h *sheet) answers(n *fhir.Node) {
	r := h.read
	d := Statement{Status: r.text(n, "status"), Title: r.text(n, "questionnaire"), Date: r.text(n, "authored"),
		Labels: r.codings(n.Child("meta").All("security")), Reference: "QuestionnaireResponse/" + n.Text("id")}
	for _, name := range []string{"author", "source"} {
		if who := r.text(n, name, "display"); who != "" {
			d.Authors = append(d.Authors, who)
		}
	}
	r.items(n, "", &d.Answers)
	d.More = r.rest(n, h.linked)
	h.told[n] = true
	words := []string{}
	for _, a := range d.Answers {
		question := strings.TrimSuffix(a.Question, "?")
		words = append(words, question, question[strings.LastIndex(question, ": ")+1:])
	}
	if h.s.in("sp-about-me", nil, words...) {
		h.AboutMe = append(h.AboutMe, d)
	} else {
		h.Assessments = append(h.Assessments, d)
	}
}

// items reads the answers of nested items; the title of a group goes before its questions.
func (r reading) items(n *fhir.Node, group string, out *[]Answer) {
	for _, item := range n.All("item") {
		question := r.text(item, "text")
		if link := r.text(item, "linkId"); question == "" {
			question = link
		}
		a := Answer{Question: question, Answers: []string{}}
		if group != "" {
			a.Question = group + ": " + question
		}
		for _, given := range item.All("answer") {
			switch value := given.Child("value"); {
			case value == nil:
			case value.HasValue():
				a.Answers = append(a.Answers, r.text(value))
			case value.Name == "valueCoding":
				code := r.coding(value)
				a.Codes = append(a.Codes, code)
				if code.Display != "" {
					a.Answers = append(a.Answers, code.Display)
				}
			case value.Name == "valueQuantity":
				a.Answers = append(a.Answers, r.quantity(value))
			}
		}
		if len(item.All("answer")) > 0 || len(item.All("item")) == 0 {
			*out = append(*out, a)
		}
		r.items(item, a.Question, out)
		for _, given := range item.All("answer") {
			r.items(given, a.Question, out)
		}
	}
}
