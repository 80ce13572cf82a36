package fhirpath

import (
	"strings"
	"unicode/utf8"
)

// The functions of http://hl7.org/fhirpath/N1/#string-manipulation and the additional
// ones of http://hl7.org/fhirpath/#additional-string-functions. Positions count
// characters.
func init() {
	register(map[string]function{
		"indexOf": stringFunction(1, Integer, func(_ *state, in string, arg []string) (Value, bool, error) {
			return position(in, strings.Index(in, arg[0])), true, nil
		}),
		"lastIndexOf": stringFunction(1, Integer, func(_ *state, in string, arg []string) (Value, bool, error) {
			return position(in, strings.LastIndex(in, arg[0])), true, nil
		}),
		"substring": {1, 2, buildSubstring},
		"startsWith": stringFunction(1, Boolean, func(_ *state, in string, arg []string) (Value, bool, error) {
			return BooleanOf(strings.HasPrefix(in, arg[0])), true, nil
		}),
		"endsWith": stringFunction(1, Boolean, func(_ *state, in string, arg []string) (Value, bool, error) {
			return BooleanOf(strings.HasSuffix(in, arg[0])), true, nil
		}),
		"contains": stringFunction(1, Boolean, func(_ *state, in string, arg []string) (Value, bool, error) {
			return BooleanOf(strings.Contains(in, arg[0])), true, nil
		}),
		"upper": stringFunction(0, String, func(_ *state, in string, _ []string) (Value, bool, error) {
			return StringOf(strings.ToUpper(in)), true, nil
		}),
		"lower": stringFunction(0, String, func(_ *state, in string, _ []string) (Value, bool, error) {
			return StringOf(strings.ToLower(in)), true, nil
		}),
		"trim": stringFunction(0, String, func(_ *state, in string, _ []string) (Value, bool, error) {
			return StringOf(strings.TrimSpace(in)), true, nil
		}),
		"length": stringFunction(0, Integer, func(_ *state, in string, _ []string) (Value, bool, error) {
			return IntegerOf(int64(utf8.RuneCountInString(in))), true, nil
		}),
		"replace":        stringFunction(2, String, replace),
		"matches":        stringFunction(1, Boolean, matching("(?s)", "")),
		"matchesFull":    stringFunction(1, Boolean, matching("(?s)^(?:", ")$")),
		"replaceMatches": stringFunction(2, String, replaceMatches),
		"toChars":        {0, 0, func(c call) (code, error) { return c.after(systemStatic(String), toChars) }},
		"split":          {1, 1, buildSplit},
		"join":           {0, 1, buildJoin},
		"encode":         stringFunction(1, String, encode),
		"decode":         stringFunction(1, String, decode),
		"escape":         stringFunction(1, String, escape),
		"unescape":       stringFunction(1, String, unescape),
	})
}

// stringFunction is a function of one String with n String arguments.
func stringFunction(n int, out Kind, f func(s *state, in string, args []string) (Value, bool, error)) function {
	return with(n, n, systemStatic(out), func(s *state, v Value, args []Value) (Value, bool, error) {
		if v.kind != String {
			return v, false, failf("a String is needed here, not %s", v.kind)
		}
		var texts [2]string
		for i, a := range args {
			if a.kind != String {
				return v, false, failf("the argument must be a String and is %s", a.kind)
			}
			texts[i] = a.text
		}
		if err := s.spend(len(v.text) / 32); err != nil {
			return v, false, err
		}
		return f(s, v.text, texts[:len(args)])
	}, String, String)
}

// position turns an offset in bytes into one in characters, -1 into -1.
func position(in string, offset int) Value {
	if offset > 0 {
		offset = utf8.RuneCountInString(in[:offset])
	}
	return IntegerOf(int64(offset))
}

func buildSubstring(c call) (code, error) {
	return with(1, 2, systemStatic(String), func(s *state, v Value, args []Value) (Value, bool, error) {
		if v.kind != String {
			return v, false, failf("substring() needs a String, not %s", v.kind)
		}
		for _, a := range args {
			if a.kind != Integer {
				return v, false, failf("the arguments of substring() must be Integers, not %s", a.kind)
			}
		}
		runes := []rune(v.text)
		from, to := args[0].number, int64(len(runes))
		if from < 0 || from >= to {
			return v, false, s.spend(len(runes) / 32)
		}
		if len(args) == 2 {
			to = min(to, from+max(args[1].number, 0))
		}
		return StringOf(string(runes[from:to])), true, s.spend(len(runes) / 32)
	}, String, Integer).build(c)
}

func replace(s *state, in string, args []string) (Value, bool, error) {
	if args[0] == "" && args[1] == "" {
		return StringOf(in), true, nil
	}
	// every character may grow by the replacement
	if err := s.spend((strings.Count(in, args[0]) * (len(args[1]) + 1)) / 32); err != nil {
		return Value{}, false, err
	}
	return StringOf(strings.ReplaceAll(in, args[0], args[1])), true, nil
}

func toChars(s *state, base int) error {
	v, ok, err := s.single(base, "toChars()")
	if err != nil || !ok {
		return err
	}
	if v = s.system(v); v.kind != String {
		return failf("toChars() needs a String, not %s", v.kind)
	}
	if err := s.spend(len(v.text)); err != nil {
		return err
	}
	for _, r := range v.text {
		s.push(StringOf(string(r)))
	}
	return nil
}

func buildSplit(c call) (code, error) {
	separator, err := c.plain(0)
	if err != nil {
		return code{}, err
	}
	return c.after(systemStatic(String), func(s *state, base int) error {
		v, ok, err := s.single(base, "split()")
		if err != nil || !ok {
			return err
		}
		by, ok, err := s.stringOperand(separator, "the separator of split()")
		if err != nil || !ok {
			return err
		}
		if v = s.system(v); v.kind != String {
			return failf("split() needs a String, not %s", v.kind)
		}
		if err := s.spend(len(v.text)); err != nil {
			return err
		}
		for _, part := range strings.Split(v.text, by) {
			s.push(StringOf(part))
		}
		return nil
	})
}

func buildJoin(c call) (code, error) {
	separator := op(func(*state) error { return nil })
	if len(c.term.args) == 1 {
		var err error
		if separator, err = c.plain(0); err != nil {
			return code{}, err
		}
	}
	return c.after(systemStatic(String), func(s *state, base int) error {
		by, _, err := s.stringOperand(separator, "the separator of join()")
		if err != nil {
			return err
		}
		var b strings.Builder
		for i, v := range s.stack[base:] {
			if v = s.system(v); v.kind != String {
				return failf("join() needs Strings, not %s", v.kind)
			}
			if err := s.spend(1 + (len(v.text)+len(by))/32); err != nil {
				return err
			}
			if i > 0 {
				b.WriteString(by)
			}
			b.WriteString(v.text)
		}
		if len(s.stack) == base {
			return nil
		}
		s.drop(base)
		return s.pushText(b.String())
	})
}
