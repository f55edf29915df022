package secret

// Allows is check, for tests.
func Allows(u Uses, by By) error {
	_, err := u.check("path", by)
	return err
}

// Normal is normal, for tests.
func Normal(u Uses) (Uses, error) { return u.normal() }
