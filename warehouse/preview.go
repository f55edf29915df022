package warehouse

// Fits says why a value does not go into a column whose type the project fixes
// (`types:` in the source's file), or "" when it does. The value is as a Text
// column holds it, or as discards does.
func Fits(t Type, value string) (reason string) {
	switch t {
	case Text, JSON:
		return ""
	case Timestamp:
		if _, _, ok := parseTime([]byte(value), true); !ok {
			return reasonNotTime
		}
		return ""
	}
	k, raw := literal([]byte(value))
	ok := false
	switch t {
	case Bool:
		ok = k == kindTrue || k == kindFalse
	case BigInt:
		if k == kindNumber {
			_, ok = parseWhole(raw)
		}
	case Double:
		if k == kindNumber {
			if _, ok = parseDouble(raw); !ok {
				return reasonRounded
			}
		}
	}
	if !ok && int(t) < len(reasonType) {
		return reasonType[t]
	}
	return ""
}
