package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	bodyMost  = 64 << 10
	linesMost = 100
	pageMost  = 100
)

const label = `[\p{L}\p{N}]([\p{L}\p{N}-]*[\p{L}\p{N}])?`

var emailPattern = regexp.MustCompile(`^[^\s@\p{Cc}]{1,64}@` + label + `(\.` + label + `)+$`)

// checked is a body that knows its rules.
type checked interface{ check() error }

// readBody reads what was sent, whatever the content type says.
func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, bodyMost))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, rejection{status: http.StatusRequestEntityTooLarge, text: "the body is too large"}
	case err != nil:
		return nil, rejection{status: http.StatusBadRequest, text: "the body cannot be read"}
	case !utf8.Valid(body):
		return nil, rejection{status: http.StatusBadRequest, text: "the body is no UTF-8"}
	}
	return body, nil
}

// readJSON reads a body into value and checks it: 400 for what is no JSON, 422 for what breaks a rule.
func readJSON(r *http.Request, value checked) error {
	body, err := readBody(r)
	if err != nil {
		return err
	}
	return parseJSON(body, value)
}

func parseJSON(body []byte, value checked) error {
	var wrong *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	err := json.Unmarshal(body, value)
	switch {
	case errors.As(err, &syntax):
		return rejection{status: http.StatusBadRequest, text: "the body is no JSON"}
	case errors.As(err, &wrong):
		return invalid(wrong.Field, "is not of the type that it must be")
	case errors.Is(err, errNoAmount):
		return invalid("price", err.Error())
	case err != nil:
		return rejection{status: http.StatusUnprocessableEntity, text: err.Error()}
	}
	return value.check()
}

func checkText(field string, text *string, most int) error {
	control := func(c rune) bool { return unicode.IsControl(c) && !strings.ContainsRune("\t\n\r", c) }
	switch {
	case text == nil:
		return invalid(field, "is missing")
	case utf8.RuneCountInString(*text) > most:
		return invalid(field, fmt.Sprintf("expected at most %d characters", most))
	case strings.TrimSpace(*text) == "" || strings.ContainsFunc(*text, control):
		return invalid(field, "expected a text")
	}
	return nil
}

func checkPassword(password string) error {
	if len(password) > 72 {
		return invalid("password", "is longer than 72 bytes")
	}
	if strings.ContainsRune(password, 0) {
		return invalid("password", "has a NUL")
	}
	return nil
}

// registration is the body of POST /auth/register.
type registration struct {
	Email    string  `json:"email"`
	Password string  `json:"password"`
	FullName *string `json:"full_name"`
}

func (n *registration) check() error {
	if len(n.Email) > 254 || !emailPattern.MatchString(n.Email) {
		return invalid("email", "is no e-mail address")
	}
	if utf8.RuneCountInString(n.Password) < 8 {
		return invalid("password", "is shorter than 8 characters")
	}
	return errors.Join(checkPassword(n.Password), checkText("full_name", n.FullName, 255))
}

// credentials is the body of POST /auth/login.
type credentials struct {
	Username *string `json:"username"`
	Email    *string `json:"email"`
	Password *string `json:"password"`
}

func (c *credentials) check() error {
	if c.Username == nil {
		c.Username = c.Email
	}
	if c.Username == nil || *c.Username == "" || strings.ContainsRune(*c.Username, 0) {
		return invalid("username", "is no e-mail address")
	}
	if c.Password == nil {
		return invalid("password", "is missing")
	}
	return checkPassword(*c.Password)
}

// parseCredentials reads a form or JSON. JSON begins with a brace and a form does not, whatever the content
// type says: JMeter sends its form as JSON.
func parseCredentials(body []byte) (credentials, error) {
	var read credentials
	text := strings.TrimSpace(string(body))
	if strings.HasPrefix(text, "{") {
		return read, parseJSON(body, &read)
	}
	form, err := url.ParseQuery(text)
	if err != nil {
		return read, rejection{status: http.StatusBadRequest, text: "the body is neither JSON nor a form"}
	}
	if username := form.Get("username"); utf8.ValidString(username) {
		read.Username = &username
	}
	if password := form.Get("password"); form.Has("password") {
		read.Password = &password
	}
	return read, read.check()
}

// newProduct is the body of POST /products.
type newProduct struct {
	Name        *string `json:"name"`
	Description *string `json:"description"`
	Price       *Cents  `json:"price"`
	SKU         *string `json:"sku"`
}

func (p *newProduct) check() error {
	if p.Price == nil {
		return invalid("price", "is missing")
	}
	texts := errors.Join(checkText("name", p.Name, 200), checkText("sku", p.SKU, 64))
	return errors.Join(texts, checkDescription(p.Description))
}

func checkDescription(description *string) error {
	if description == nil {
		return nil
	}
	return checkText("description", description, 2000)
}

// present is a member that is there, and may be null.
type present struct {
	is   bool
	text *string
}

func (p *present) UnmarshalJSON(text []byte) error {
	p.is = true
	return json.Unmarshal(text, &p.text)
}

// change is the body of PUT /products/{id}; what is missing or null stays, but for the description.
type change struct {
	Name        *string `json:"name"`
	Description present `json:"description"`
	Price       *Cents  `json:"price"`
	SKU         *string `json:"sku"`
}

func (c *change) check() error {
	err := checkDescription(c.Description.text)
	if c.Name != nil {
		err = errors.Join(err, checkText("name", c.Name, 200))
	}
	if c.SKU != nil {
		err = errors.Join(err, checkText("sku", c.SKU, 64))
	}
	return err
}

// quantity is the body of POST /inventory/add and /inventory/remove.
type quantity struct {
	ProductID int64 `json:"product_id"`
	Quantity  int32 `json:"quantity"`
}

func (q *quantity) check() error { return q.checkAt("") }

func (q *quantity) checkAt(place string) error {
	if q.ProductID < 1 {
		return invalid(place+"product_id", "expected a positive whole number")
	}
	if q.Quantity < 1 {
		return invalid(place+"quantity", "expected a whole number from 1 to 2147483647")
	}
	return nil
}

// newOrder is the body of POST /orders. A price of the client's is looked at by nobody.
type newOrder struct {
	Status *string `json:"status"`
	Items  []line  `json:"items"`
}

type line struct {
	quantity
	UnitPrice *float64 `json:"unit_price"`
}

func (o *newOrder) check() error {
	if o.Status != nil && *o.Status != "pending" {
		return invalid("status", "a new order is pending")
	}
	if len(o.Items) < 1 || len(o.Items) > linesMost {
		return invalid("items", "expected 1 to 100 lines")
	}
	for index, item := range o.Items {
		if err := item.checkAt(fmt.Sprintf("items[%d].", index)); err != nil {
			return err
		}
	}
	return nil
}

// wanted is what an order takes: each product once, in the order of the products.
func (o *newOrder) wanted() (products, quantities []int64) {
	items := slices.Clone(o.Items)
	slices.SortFunc(items, func(one, other line) int { return cmp.Compare(one.ProductID, other.ProductID) })
	for _, item := range items {
		if last := len(products) - 1; last >= 0 && products[last] == item.ProductID {
			quantities[last] += int64(item.Quantity)
			continue
		}
		products = append(products, item.ProductID)
		quantities = append(quantities, int64(item.Quantity))
	}
	return products, quantities
}

// page is which part of a list is asked for.
type page struct{ after, skip, limit int64 }

func parsePage(query string) (page, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return page{}, rejection{status: http.StatusBadRequest, text: "the query cannot be read"}
	}
	var p page
	for _, part := range []struct {
		name                   string
		into                   *int64
		otherwise, least, most int64
	}{
		{"limit", &p.limit, pageMost, 1, pageMost},
		{"skip", &p.skip, 0, 0, math.MaxInt64},
		{"after", &p.after, 0, 0, math.MaxInt64},
	} {
		*part.into = part.otherwise
		if !values.Has(part.name) {
			continue
		}
		if *part.into, err = whole(part.name, values.Get(part.name), part.least, part.most); err != nil {
			return page{}, err
		}
	}
	return p, nil
}

func parseID(text string) (int64, error) { return whole("id", text, 1, math.MaxInt64) }

func whole(field, text string, least, most int64) (int64, error) {
	// 63 bits: what Postgres takes. Unlike ParseInt it takes no sign.
	value, err := strconv.ParseUint(text, 10, 63)
	if err != nil || int64(value) < least || int64(value) > most {
		return 0, invalid(field, fmt.Sprintf("expected a whole number from %d to %d", least, most))
	}
	return int64(value), nil
}
