package fhirpath

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"strings"
	"unicode/utf8"
)

func encode(_ *state, in string, args []string) (Value, bool, error) {
	switch args[0] {
	case "hex":
		return StringOf(hex.EncodeToString([]byte(in))), true, nil
	case "base64":
		return StringOf(base64.StdEncoding.EncodeToString([]byte(in))), true, nil
	case "urlbase64":
		return StringOf(base64.URLEncoding.EncodeToString([]byte(in))), true, nil
	}
	return Value{}, false, failf("encode() and decode() know hex, base64 and urlbase64")
}

func decode(_ *state, in string, args []string) (Value, bool, error) {
	var out []byte
	var err error
	switch args[0] {
	case "hex":
		out, err = hex.DecodeString(in)
	case "base64":
		out, err = base64.StdEncoding.DecodeString(in)
	case "urlbase64":
		out, err = base64.URLEncoding.DecodeString(in)
	default:
		return Value{}, false, failf("encode() and decode() know hex, base64 and urlbase64")
	}
	return StringOf(string(out)), err == nil && utf8.Valid(out), nil
}

func escape(_ *state, in string, args []string) (Value, bool, error) {
	switch args[0] {
	case "html":
		return StringOf(strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;").Replace(in)), true, nil
	case "json":
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(in); err != nil {
			return Value{}, false, nil
		}
		text := strings.TrimSuffix(b.String(), "\n")
		return StringOf(text[1 : len(text)-1]), true, nil
	}
	return Value{}, false, failf("escape() and unescape() know html and json")
}

func unescape(_ *state, in string, args []string) (Value, bool, error) {
	switch args[0] {
	case "html":
		return StringOf(html.UnescapeString(in)), true, nil
	case "json":
		var out string
		// a quote that stands bare is legal in the input: it was escaped for FHIRPath only
		quoted := `"` + strings.ReplaceAll(strings.ReplaceAll(in, `\"`, `"`), `"`, `\"`) + `"`
		err := json.Unmarshal([]byte(quoted), &out)
		return StringOf(out), err == nil, nil
	}
	return Value{}, false, failf("escape() and unescape() know html and json")
}
