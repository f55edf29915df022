package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/unit"
)

// nothing takes no arguments.
func nothing(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%q takes no arguments, not %.40q", c.CommandPath(), args[0])
	}
	return nil
}

// atMostOne takes one argument, called name, or none; hint says what more than
// one may come from, or is "".
func atMostOne(name, hint string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usagef("%q takes one %s, not %d%s", c.CommandPath(), name, len(args), hint)
		}
		return nil
	}
}

// exactly takes one argument, called name.
func exactly(name string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef("%q takes one %s, not %d", c.CommandPath(), name, len(args))
		}
		return nil
	}
}

func atLeastOne(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("%q needs %s", c.CommandPath(), what)
		}
		return nil
	}
}

// A duration is the value of a flag: above 0, written as in project files.
type duration time.Duration

// Set implements pflag.Value.
func (d *duration) Set(text string) error {
	var v unit.Duration
	if err := v.UnmarshalText([]byte(text)); err != nil || v <= 0 {
		return errors.New("is no length of time above 0: write it as 30s, 5m or 1h30m")
	}
	*d = duration(v)
	return nil
}

// String implements pflag.Value.
func (d *duration) String() string {
	if *d == 0 {
		return ""
	}
	return unit.Duration(*d).String()
}

// Type implements pflag.Value.
func (d *duration) Type() string { return "duration" }

// durationFlag adds a flag that takes a length of time; value is the default.
func durationFlag(flags *pflag.FlagSet, to *time.Duration, name string, value time.Duration, usage string) {
	*to = value
	flags.Var((*duration)(to), name, usage)
}

// A position is the value of a flag: a place in the log, in the form that
// programs use, or one of the words that it may be.
type position struct {
	to    *string
	words []string
}

// Set implements pflag.Value.
func (p position) Set(text string) error {
	if slices.Contains(p.words, text) {
		*p.to = text
		return nil
	}
	at, err := millrace.ParsePosition(text)
	if err != nil {
		more := ""
		for _, w := range p.words {
			more += ", or " + w
		}
		return fmt.Errorf("is no log position: write it as epoch-seq-index, as in the Millrace-Position header, or start%s", more)
	}
	*p.to = at.Numbers()
	return nil
}

// String implements pflag.Value.
func (p position) String() string {
	if p.to == nil {
		return ""
	}
	return *p.to
}

// Type implements pflag.Value.
func (p position) Type() string { return "position" }

// kindsOfValues are what the values of flags have to be, by their types.
var kindsOfValues = map[string]string{
	"int": "is no whole number", "float64": "is no number", "bool": "is neither true nor false",
}

// flagError says what is wrong with a flag.
func flagError(c *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	var missing *pflag.ValueRequiredError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &invalid):
		what, ok := kindsOfValues[invalid.GetFlag().Value.Type()]
		if !ok {
			what = invalid.Unwrap().Error()
		}
		return usagef("--%s: %.60q %s", invalid.GetFlag().Name, invalid.GetValue(), what)
	case errors.As(err, &missing):
		return usagef("--%s needs a value", missing.GetFlag().Name)
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		return usagef("%q has no flag -%s", c.CommandPath(), unknown.GetSpecifiedName())
	case errors.As(err, &unknown):
		name := unknown.GetSpecifiedName()
		var known []string
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				known = append(known, f.Name)
			}
		})
		if near := millrace.Nearest(name, known); near != "" {
			return usagef("%q has no flag --%s: did you mean --%s?", c.CommandPath(), name, near)
		}
		return usagef("%q has no flag --%s", c.CommandPath(), name)
	}
	return usageError{err}
}

// atLeast refuses a number that was given and is below least.
func atLeast(c *cobra.Command, flag string, value, least int) error {
	if c.Flags().Changed(flag) && value < least {
		return usagef("--%s is %d or above, not %d", flag, least, value)
	}
	return nil
}
