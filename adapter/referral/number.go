package referral

// NHSNumber reports whether s is an NHS number: ten digits whose last is the modulus
// 11 check digit of the others.
// Source: https://www.datadictionary.nhs.uk/attributes/nhs_number.html.
func NHSNumber(s string) bool {
	if len(s) != 10 {
		return false
	}
	sum := 0
	for i := range 10 {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
		if i < 9 {
			sum += (10 - i) * int(s[i]-'0')
		}
	}
	check := (11 - sum%11) % 11
	return check != 10 && check == int(s[9]-'0')
}
