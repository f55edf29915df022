package send

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
)

func london(t testing.TB) *time.Location {
	zone, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func TestTimeFormats(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ format, text, want string }{
		{"M/D/YY H:MM", "12/1/09 7:45", "2009-12-01T07:45:00Z"},
		{"M/D/YY H:MM", "6/1/10 13:05", "2010-06-01T12:05:00Z"},
		{"YYYY-MM-DD HH:mm:ss", "2011-07-04 09:08:07", "2011-07-04T08:08:07Z"},
		{"DD.MM.YYYY", "04.07.2011", "2011-07-03T23:00:00Z"},
		{"HH:MM M/D/YYYY", "09:30 7/4/2011", "2011-07-04T08:30:00Z"},
		{"D MMM YYYY h:mm A", "4 Jul 2011 1:02 PM", "2011-07-04T12:02:00Z"},
		{"%d/%m/%Y %H:%M", "04/07/2011 09:08", "2011-07-04T08:08:00Z"},
		{"%-d.%-m.%y", "4.7.11", "2011-07-03T23:00:00Z"},
		{"%Y-%m-%dT%H:%M:%S%z", "2011-07-04T09:08:07+0200", "2011-07-04T07:08:07Z"},
		{"2006-01-02 15:04", "2011-07-04 09:08", "2011-07-04T08:08:00Z"},
		{"02/Jan/06", "04/Jul/11", "2011-07-03T23:00:00Z"},
		{"rfc3339", "2011-07-04T09:08:07.123+02:00", "2011-07-04T07:08:07.123Z"},
		{"iso8601", "2011-07-04T09:08:07.5", "2011-07-04T08:08:07.5Z"},
		{"iso8601", "2011-07-04 09:08:07 +00:00", "2011-07-04T09:08:07Z"},
		{"iso8601", "2011-07-04 09:08:07 UTC", "2011-07-04T09:08:07Z"},
		{"iso8601", "2011-01-04", "2011-01-04T00:00:00Z"},
		{"rfc1123", "Mon, 04 Jul 2011 09:08:07 GMT", "2011-07-04T09:08:07Z"},
		{"rfc1123", "Mon, 04 Jul 2011 09:08:07 +0200", "2011-07-04T07:08:07Z"},
		{"unix", "1309770487", "2011-07-04T09:08:07Z"},
		{"unix", "1309770487.25", "2011-07-04T09:08:07.25Z"},
		{"unix_ms", "1309770487123", "2011-07-04T09:08:07.123Z"},
		// clocks go forward at 1:00 to 2:00: half past one is half an hour after the change
		{"iso8601", "2011-03-27T00:59", "2011-03-27T00:59:00Z"},
		{"iso8601", "2011-03-27T01:30", "2011-03-27T01:30:00Z"},
		{"iso8601", "2011-03-27T02:00", "2011-03-27T01:00:00Z"},
		// clocks go back at 2:00 to 1:00: the first half past one is meant
		{"iso8601", "2011-10-30T00:59", "2011-10-29T23:59:00Z"},
		{"iso8601", "2011-10-30T01:30", "2011-10-30T00:30:00Z"},
		{"iso8601", "2011-10-30T02:00", "2011-10-30T02:00:00Z"},
	} {
		f, err := newTimeFormat(c.format, london(t))
		if err != nil {
			t.Errorf("%s: %v", c.format, err)
			continue
		}
		got, err := f.parse(c.text)
		if err != nil || got.UTC().Format(time.RFC3339Nano) != c.want {
			t.Errorf("%s of %q: %v, %v; want %s", c.format, c.text, got.UTC().Format(time.RFC3339Nano), err, c.want)
		}
	}
	for _, bad := range []string{"", "nonsense", "%Q", "%Y%", "HH:mm", "YYYY-QQ"} {
		if _, err := newTimeFormat(bad, time.UTC); millrace.KindOf(err) != millrace.Invalid {
			t.Errorf("%q: %v, want Invalid", bad, err)
		}
	}
}

// Every minute of the two days on which London's clocks change is read as an
// instant that shows that clock, but for those that do not occur.
func TestEveryMinuteOfClockChanges(t *testing.T) {
	t.Parallel()
	zone := london(t)
	for _, day := range []time.Time{time.Date(2011, 3, 27, 0, 0, 0, 0, time.UTC), time.Date(2011, 10, 30, 0, 0, 0, 0, time.UTC)} {
		for m := range 24 * 60 {
			wall := day.Add(time.Duration(m) * time.Minute)
			got := resolve(wall, zone)
			const clock = "15:04"
			skipped := day.Month() == 3 && m >= 60 && m < 120
			if same := got.Format(clock) == wall.Format(clock); same == skipped {
				t.Errorf("%v became %v", wall, got)
			}
			if skipped && got.Format(clock) != wall.Add(time.Hour).Format(clock) {
				t.Errorf("%v became %v, want an hour more", wall, got)
			}
		}
	}
}

func TestGuess(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		values []string
		want   string // or part of the error
	}{
		"American":        {[]string{"12/1/09 7:45", "12/13/09 7:45"}, "M/D/YY H:mm"},
		"British":         {[]string{"1/12/09 7:45", "13/12/09 7:45"}, "D/M/YY H:mm"},
		"cannot be told":  {[]string{"12/1/09 7:45", "1/2/09 7:45"}, "M/D/YY H:mm and as D/M/YY H:mm"},
		"the same either": {[]string{"1/1/09 7:45", "2/2/09 7:45"}, "M/D/YY H:mm"},
		"ISO":             {[]string{"2011-01-02", "2011-01-02T10:00:00Z"}, "iso8601"},
		"Unix":            {[]string{"1309770487", "1309770488"}, "unix"},
		"milliseconds":    {[]string{"1309770487000"}, "unix_ms"},
		"German":          {[]string{"31.12.2011 10:00"}, "D.M.YYYY H:mm"},
		"month by name":   {[]string{"02-Dec-2010", "3-JAN-2011"}, "D-MMM-YYYY"},
		"short year":      {[]string{"02-Dec-10"}, "D-MMM-YY"},
		"with a clock":    {[]string{"02-Dec-2010 08:26"}, "D-MMM-YYYY H:mm"},
		"AM and PM":       {[]string{"Dec 1, 2010 8:26 AM", "Dec 1, 2010 10:26 PM"}, "MMM D, YYYY h:mm A"},
		"of a browser":    {[]string{"Dec 1, 2010, 8:26:03 AM"}, "MMM D, YYYY, h:mm:ss A"},
		"long name":       {[]string{"December 1, 2010", "May 3, 2011"}, "MMMM D, YYYY"},
		"of mail":         {[]string{"Thu, 02 Dec 2010 08:26:00 GMT", "Thu, 02 Dec 2010 08:26:00 +0100", "2 Dec 2010 08:26:00 UTC"}, "rfc1123"},
		"a zone's name":   {[]string{"Thu, 02 Dec 2010 08:26:00 EST"}, "no form that is known"},
		"some are wrong":  {[]string{"2011-01-02", "soon", "2011-01-04"}, "iso8601"},
		"most are wrong":  {[]string{"2011-01-02", "soon", "later"}, "no form that is known"},
		"nothing":         {[]string{"", " "}, "iso8601"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newTimeGuess(time.UTC)
			for _, v := range c.values {
				g.observe(v)
			}
			f, err := g.decide("at")
			got := ""
			if err != nil {
				got = err.Error()
			} else {
				got = f.name
			}
			if err == nil && got != c.want || err != nil && !strings.Contains(got, c.want) {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func FuzzTimeFormat(f *testing.F) {
	for _, s := range []string{"M/D/YY H:MM", "%Y-%m-%d", "rfc3339", "2006-01-02", "unix", "%", "MMMM D, YYYY"} {
		f.Add(s, "12/1/09 7:45")
	}
	f.Fuzz(func(_ *testing.T, format, text string) {
		if tf, err := newTimeFormat(format, time.UTC); err == nil {
			_, _ = tf.parse(text)
		}
		g := newTimeGuess(time.UTC)
		g.observe(text)
		_, _ = g.decide("x")
	})
}
