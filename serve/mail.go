package serve

import (
	"fmt"
	"time"

	"github.com/millrace/millrace/access"
)

// The mails that the server writes. Names in them are what someone chose: they stand
// alone on a line or in quotes, and never make an address.

func resetMail(m access.Mail, link string) Mail {
	return Mail{To: m.To, Name: m.Name, Subject: "Set a new password for Millrace", Text: fmt.Sprintf(`Someone asked for a link that sets a new password for your account.

If it was you, follow it before %s:

%s

If it was not, there is nothing to do: without the link nothing changes.
`, until(m.Link.Expires), link)}
}

func emailMail(m access.Mail, link string) Mail {
	return Mail{To: m.To, Name: m.Name, Subject: "Confirm your e-mail address for Millrace", Text: fmt.Sprintf(`Your account at Millrace is to have this e-mail address.

Confirm it before %s:

%s

If you did not ask for that, there is nothing to do: without the link nothing changes.
`, until(m.Link.Expires), link)}
}

func emailChangedMail(before, base string) Mail {
	return Mail{To: before, Subject: "Your e-mail address for Millrace was changed", Text: fmt.Sprintf(`Your account at %s has another e-mail address now: this one does not sign in any more.

If it was not you, tell an owner of the server at once: they can suspend the account, and set its address back.
`, base)}
}

func passwordChangedMail(to, name, base string) Mail {
	return Mail{To: to, Name: name, Subject: "Your password for Millrace was changed", Text: fmt.Sprintf(`The password of your account at %s was changed, and its other sessions were ended.

If it was not you, set a new one at once, and tell an owner of the server.
`, base)}
}

// invitationMail is an invitation to the workspace that people call so; to the
// server itself when that is empty.
func invitationMail(to, by, role, workspace, base, link string, l access.Link) Mail {
	where := ""
	if workspace != "" {
		where = fmt.Sprintf("It is for the workspace\n\n    %s\n\n", workspace)
	}
	return Mail{To: to, Subject: "You are invited to Millrace", Text: fmt.Sprintf(`You are invited to work with Millrace at %s, as %s. The invitation was made by

    %s

%sAccept it before %s:

%s

If you do not expect it, there is nothing to do.
`, base, role, by, where, until(l.Expires), link)}
}

func until(t time.Time) string { return t.UTC().Format("2 January 2006 15:04 MST") }
