package project

import (
	"github.com/millrace/millrace/mail"
	"github.com/millrace/millrace/unit"
)

// SMTPSettings are `smtp:`.
type SMTPSettings struct {
	Address    string      `yaml:"address" doc:"host:port, such as smtp.example.com:587."`
	From       string      `yaml:"from" doc:"Who mail comes from: millrace@example.com, or Millrace <millrace@example.com>."`
	User       string      `yaml:"user" doc:"Who signs in there; without, nobody does."`
	Password   unit.Secret `yaml:"password" doc:"Of the user, as a secret: ${secret:smtp_password}."`
	Encryption string      `yaml:"encryption" doc:"starttls, tls (from the beginning, often port 465), or none for a server on this machine." default:"starttls"`
}

// Server is where mail is sent to.
func (s SMTPSettings) Server() mail.Server {
	return mail.Server{Address: s.Address, From: s.From, User: s.User, Password: s.Password.Reveal(), Encryption: s.Encryption}
}

// validate tells wrong what cannot be.
func (s SMTPSettings) validate(wrong func(bad bool, format string, args ...any), publicURL string) {
	if s.Address == "" {
		wrong(s.From != "" || s.User != "" || s.Password != "", "smtp.address: is missing: name the server that takes mail, such as smtp.example.com:587")
		return
	}
	if err := s.Server().Check(); err != nil {
		wrong(true, "smtp: %w", err)
	}
	wrong(publicURL == "", "smtp: needs collect.public_url, such as https://events.example.com: links in mails lead there")
	wrong((s.User == "") != (s.Password == ""), "smtp.user: goes with smtp.password: give both or neither")
}
