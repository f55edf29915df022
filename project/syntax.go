package project

import "strings"

// plainWords are what people are told in place of what the parser says: the
// first of which a part is in its message.
var plainWords = []struct{ part, plain string }{
	{"found character '\t'", "a tab where YAML wants spaces: indent with spaces"},
	{"tab character", "a tab where YAML wants spaces: indent with spaces"},
	{"sequence end token ']' not found", "the list that begins with [ here is not closed: add ] at its end, or put the text in quotes if it is none"},
	{"flow mapping end token '}' not found", "the mapping that begins with { here is not closed: add } at its end, or put the text in quotes if it is none"},
	{"could not find flow mapping end token '}'", "the mapping that begins with { here is not closed: add } at its end, or put the text in quotes if it is none"},
	{"could not find flow map content", "the mapping that begins with { here is not closed: add } at its end, or put the text in quotes if it is none"},
	{"',' or ']' must be specified", "the list that begins with [ before this is not closed, or a comma is missing: add the ] or the comma"},
	{"',' or '}' must be specified", "the mapping that begins with { before this is not closed, or a comma is missing: add the } or the comma"},
	{"expected sequence element, but found ','", "a list has two commas without a value between them: remove one"},
	{"'[' character corresponding to ']'", "there is a ] and no list that it closes: remove it, or put the text in quotes"},
	{"'{' character corresponding to '}'", "there is a } and no mapping that it closes: remove it, or put the text in quotes"},
	{"end character of single-quoted text", "the text that begins with ' is not closed: add ' at its end; a ' within it is written twice"},
	{"end character of double-quoted text", "the text that begins with \" is not closed: add \" at its end; a \" within it is written as \\\""},
	{"unknown escape character", "text in double quotes has a \\ that means nothing there: write it twice, or use single quotes"},
	{"escaped UTF-", "text in double quotes has a \\u or \\U with too few digits: write 4 digits behind \\u, 8 behind \\U"},
	{"surrogate", "text in double quotes has half of a pair of \\u: write the character itself"},
	{"mapping value is not allowed", "a second \": \" where none can be: check the indentation, and put text that contains \": \" in quotes"},
	{"map key-value is pre-defined", "something follows a value that has ended: put all of the text in quotes, or check the indentation"},
	{"value is not allowed in this context", "this cannot stand here: check the indentation of this line and of the one above"},
	{"block sequence entries are not allowed", "a list with - begins on a line of its own: put it on the next line"},
	{"sequence entries are not allowed", "a list with - begins on a line of its own: put it on the next line"},
	{"non-map value is specified", "this line is not a field: write name: value, and check the indentation"},
	{"unexpected key name", "this line is not a field: write name: value, and check the indentation"},
	{"could not find map", "this line is not a field: write name: value, and check the indentation"},
	{"expected map key-value delimiter", "this line is not a field: write name: value, with a space behind the colon"},
	{"implicit line break", "the name of a field goes over several lines: check quotes and indentation"},
	{"map key", "this cannot be the name of a field: write name: value, and put a name with special characters in quotes"},
	{"mapping key", "this cannot be the name of a field: write name: value, and put a name with special characters in quotes"},
	{"invalid key", "this cannot be the name of a field: write name: value, and put a name with special characters in quotes"},
	{"unexpected scalar value", "there is a sign where a value has to be: remove it, or put the text in quotes"},
	{"reserved character", "text cannot begin with this character: put it in quotes"},
	{"alias", "* begins a reference to an anchor, which needs a name: put text that begins with * in quotes"},
	{"anchor", "& begins an anchor, which needs a name and a value: put text that begins with & in quotes"},
	{"tag", "! begins a tag, and tags are not used here: put text that begins with ! in quotes"},
	{"directive", "% begins a directive, and those are not used here: put text that begins with % in quotes"},
	{"multi-line", "the text behind | or > has to be indented, and nothing else may stand behind the sign than - or +"},
	{"header option", "the text behind | or > has to be indented, and nothing else may stand behind the sign than - or +"},
}

// plainly says in plain words what the parser found.
func plainly(message string) string {
	for _, w := range plainWords {
		if strings.Contains(message, w.part) {
			return w.plain
		}
	}
	return "this is not YAML that can be read (" + clip(message) + "): check the indentation, and put text with special characters in quotes"
}
