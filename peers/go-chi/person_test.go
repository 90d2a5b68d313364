package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// with is a valid body but for one field; an empty value leaves the field out.
func with(field, value string) string {
	fields := map[string]string{
		"apelido": `"ana"`, "nome": `"Ana"`, "nascimento": `"2000-10-01"`, "stack": `["C#","Go"]`,
	}
	fields[field] = value
	var parts []string
	for name, value := range fields {
		if value != "" {
			parts = append(parts, `"`+name+`":`+value)
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func quoted(text string, times int) string { return `"` + strings.Repeat(text, times) + `"` }

func TestRules(t *testing.T) {
	for _, test := range []struct {
		body string
		want error
	}{
		{with("stack", ""), nil},
		{with("stack", "null"), nil},
		{with("stack", "[]"), nil},
		{with("more", `[[{"a":1}]]`), nil},
		{with("apelido", quoted("日", 32)), nil},
		{with("nome", quoted("🦀", 100)), nil},
		{with("nome", `"\ud83e\udd80"`), nil},
		{with("nome", `"\\ud83e"`), nil},
		{with("nascimento", `"2000-02-29"`), nil},

		{"", errSyntax},
		{"null", errSyntax},
		{"[]", errSyntax},
		{"{", errSyntax},
		{"{}{}", errSyntax},
		{strings.Repeat("[", 20_000), errSyntax},
		{with("apelido", "1"), errSyntax},
		{with("nome", "1"), errSyntax},
		{with("nascimento", "{}"), errSyntax},
		{with("stack", `"Go"`), errSyntax},
		{with("stack", `["Go",1]`), errSyntax},
		{with("stack", `[null]`), errSyntax},
		{with("nome", `"\ud83e"`), errSyntax},
		{with("nome", `"\udd80\ud83e"`), errSyntax},
		{with("nome", "\"\xff\""), errSyntax},
		{`{"apelido":null,"nome":1,"nascimento":"x"}`, errSyntax},

		{"{}", errRefused},
		{with("apelido", ""), errRefused},
		{with("nome", "null"), errRefused},
		{with("nascimento", ""), errRefused},
		{with("apelido", quoted("a", 33)), errRefused},
		{with("nome", quoted("é", 101)), errRefused},
		{with("stack", "["+quoted("a", 33)+"]"), errRefused},
		{with("nome", `"a\u0000"`), errRefused},
		{with("stack", `["\u0000"]`), errRefused},
		{with("nascimento", `"2001-02-29"`), errRefused},
		{with("nascimento", `"0000-01-01"`), errRefused},
		{with("nascimento", `"2000-1-01"`), errRefused},
		{with("nascimento", `"2000-01-01 "`), errRefused},
		{`{"APELIDO":"a","nome":"b","nascimento":"2000-01-01"}`, errRefused},
	} {
		if _, err := parsePerson([]byte(test.body)); !errors.Is(err, test.want) {
			t.Errorf("%.80s: %v, want %v", test.body, err, test.want)
		}
	}
}

func TestPersonComesBackAsSent(t *testing.T) {
	for _, stack := range []string{"null", "[]", `["C#",""]`} {
		person, err := parsePerson([]byte(with("stack", stack)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(person)
		if err != nil {
			t.Fatal(err)
		}
		want := `{"id":"` + person.ID.String() +
			`","apelido":"ana","nome":"Ana","nascimento":"2000-10-01","stack":` + stack + "}"
		if string(got) != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
