package result

import "strings"

// Suggest says how a result is best drawn at first sight.
func (s *Store) Suggest(id string) (ChartQuery, error) {
	e, done, err := s.use(id)
	if err != nil {
		return ChartQuery{}, err
	}
	defer done()
	return suggest(e), nil
}

// suggest takes the first time as x, else what is called like a piece of time,
// else the first text, else the first number; the first number that is no name of
// something as y; and beside a time the first text as groups. Of one row the
// numbers themselves are shown.
func suggest(e *entry) ChartQuery {
	var times, periods, texts, numbers []string
	for _, c := range e.columns {
		switch {
		case c.Class.isTime():
			times = append(times, c.Name)
		case isPeriod(c.Name) && (c.Class == classText || c.Class.isNumber()):
			periods = append(periods, c.Name)
		case (c.Class == classText || c.Class == classBool) && !isKey(c.Name):
			texts = append(texts, c.Name)
		case c.Class.isNumber() && !isKey(c.Name):
			numbers = append(numbers, c.Name)
		}
	}
	q := ChartQuery{Kind: "bar"}
	if len(numbers) > 0 {
		q.Y = []Measure{{Column: numbers[0], Fn: "sum"}}
	}
	switch {
	case e.Rows == 1 && len(numbers) > 0:
		q.Kind, q.Y = "number", nil
		for _, name := range numbers[:min(len(numbers), maxNumbers)] {
			q.Y = append(q.Y, Measure{Column: name, Fn: "sum"})
		}
		return q
	case len(times) == 0 && len(periods) > 0:
		q.X = periods[0]
		if len(numbers) > 0 {
			q.Kind = "line"
		}
	case len(times) > 0:
		q.Kind, q.X = "line", times[0]
		if len(texts) > 0 && len(e.columns) <= 3 { // summed up by its query
			q.Group = texts[0]
		}
	case len(texts) > 0:
		q.X = texts[0]
	case len(numbers) > 0:
		q.X, q.Y = numbers[0], nil
		if len(numbers) > 1 {
			q.Kind, q.Y = "line", []Measure{{Column: numbers[1], Fn: "sum"}}
		}
	default:
		q.Kind = "number"
	}
	return q
}

// maxNumbers are how many numbers of one row are shown beside each other.
const maxNumbers = 4

// isPeriod says whether what is called so is a piece of time, however it is written.
func isPeriod(name string) bool {
	switch strings.ToLower(name) {
	case "minute", "hour", "day", "date", "week", "month", "quarter", "year":
		return true
	}
	return false
}

// isKey says whether a number under that name is one of a thing, not of how much.
func isKey(name string) bool {
	name = strings.ToLower(name)
	return name == "id" || strings.HasPrefix(name, "_") || strings.HasSuffix(name, "_id")
}
