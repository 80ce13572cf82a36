package gateway

import (
	"testing"

	"spadapter/adapter/issue"
)

// Half a character is refused by the name of its field, and whole ones are kept.
func TestHalfACharacterIsRefused(t *testing.T) {
	type body struct {
		Note  string   `json:"note"`
		Lines []string `json:"lines"`
	}
	for text, at := range map[string]string{
		`{"note":"a\ud800b"}`: "note", `{"note":"\udc00"}`: "note", `{"note":"\ud83d\u0041"}`: "note", `{"note":"\uD83D"}`: "note", `{"note":"\ud83d\ud83d\ude00"}`: "note", `{"note" : "\ude00\ud83d"}`: "note",
		`{"lines":["a", "\udfff"]}`: "lines[1]", `{"note":"\\\ud800"}`: "note",
		`{"note":"\ud83d\ude00"}`: "", `{"note":"\\ud800"}`: "", `{"note":"\u0041\n\"\ufffd"}`: "", `{"note":"😀","lines":["\\\\ud800"]}`: "",
	} {
		var into body
		err := decodeStrict([]byte(text), &into)
		if at == "" {
			if err != nil {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		list := issue.All(err)
		if len(list) != 1 || list[0].Rule != "json-surrogate" || list[0].Expression != at {
			t.Errorf("%s: %v", text, err)
		}
	}
}
