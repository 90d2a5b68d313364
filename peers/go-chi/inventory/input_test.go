package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// blamed is the member that is to blame, or the status where there is none; empty for what is taken.
func blamed(t *testing.T, err error) string {
	t.Helper()
	var refused rejection
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &refused):
		t.Fatalf("no rejection: %v", err)
	case refused.field == "":
		return fmt.Sprint(refused.status)
	}
	return refused.field
}

func check(t *testing.T, value checked, body, want string) {
	t.Helper()
	if got := blamed(t, parseJSON([]byte(body), value)); got != want {
		t.Errorf("%s: %q, want %q", body, got, want)
	}
}

func TestAnAccount(t *testing.T) {
	const body = `{"email":%s,"password":%s,"full_name":%s}`
	with := func(email, password, name, want string) {
		t.Helper()
		check(t, &registration{}, fmt.Sprintf(body, email, password, name), want)
	}
	for _, email := range []string{"ana@example.com", "zoë@münchen.example", "o'hara@x-y.example", "A.b@E.Com"} {
		with(`"`+email+`"`, `"correct horse"`, `"Ana"`, "")
	}
	for _, email := range []string{"", "a", "@b.c", "a@b", "a@b..c", "a@-b.c", "a@b-.c", "a@b@c.d", "a b@c.d"} {
		with(`"`+email+`"`, `"correct horse"`, `"Ana"`, "email")
	}
	for _, password := range []string{strings.Repeat("ë", 8), strings.Repeat("ë", 36)} {
		with(`"a@b.c"`, `"`+password+`"`, `"Ana"`, "")
	}
	long := []string{strings.Repeat("ë", 37), strings.Repeat("x", 73)}
	for _, password := range append(long, "", "1234567", `12345678\u0000`) {
		with(`"a@b.c"`, `"`+password+`"`, `"Ana"`, "password")
	}
	with(`"a@b.c"`, `12345678`, `"Ana"`, "password")
	with(`"a@b.c"`, `"correct horse"`, `" "`, "full_name")
	with(`"a@b.c"`, `"correct horse"`, `null`, "full_name")
	check(t, &registration{}, `{"email":`, "400")
	check(t, &registration{}, ``, "400")
	check(t, &registration{}, `[]`, "422")
	check(t, &registration{}, `null`, "email")
}

func TestALoginIsAFormOrJSON(t *testing.T) {
	for _, body := range []string{
		"username=a%40b.c&password=p+q",
		`{"username":"a@b.c","password":"p q"}`,
		` {"email":"a@b.c","password":"p q"}`,
	} {
		login, err := parseCredentials([]byte(body))
		if err != nil || *login.Username != "a@b.c" || *login.Password != "p q" {
			t.Errorf("%s: %v", body, err)
		}
	}
	for body, want := range map[string]string{
		"{":                           "400",
		"username=%zz&password=p":     "400",
		"username=a%40b.c":            "password",
		"password=p":                  "username",
		"username=%ff&password=p":     "username",
		`{"username":1,"password":2}`: "username",
		"":                            "username",
	} {
		_, err := parseCredentials([]byte(body))
		if got := blamed(t, err); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

func TestAPriceHasTwoDecimalsAtMost(t *testing.T) {
	const body = `{"name":"Tea","sku":"TEA-1","price":%s}`
	for price, want := range map[string]Cents{
		"0": 0, "-0": 0, "0.07": 7, "1e2": 10_000, "1.1": 110, "10.10": 1010, "9999999999.99": priceMost,
	} {
		var product newProduct
		if err := parseJSON(fmt.Appendf(nil, body, price), &product); err != nil || *product.Price != want {
			t.Errorf("%s: %v", price, err)
		}
	}
	for _, price := range []string{
		"null", `"1"`, "true", "-0.01", "0.001", "10.005", "1e-9", "9999999999.991", "1e10", "1e300", "1e999",
	} {
		check(t, &newProduct{}, fmt.Sprintf(body, price), "price")
	}
	for cents := range Cents(10_000) {
		text, _ := json.Marshal(cents)
		var read Cents
		if err := json.Unmarshal(text, &read); err != nil || read != cents {
			t.Fatalf("%s is read as %d: %v", text, read, err)
		}
	}
	if text, _ := json.Marshal(Cents(123_405)); string(text) != "1234.05" {
		t.Errorf("%s", text)
	}
}

func TestTexts(t *testing.T) {
	const body = `{"name":%s,"sku":"TEA-1","price":1}`
	check(t, &newProduct{}, fmt.Sprintf(body, `"`+strings.Repeat("🦀", 200)+`"`), "")
	for _, name := range []string{"null", "7", `""`, `" "`, `"a\u0000"`, `"` + strings.Repeat("🦀", 201) + `"`} {
		check(t, &newProduct{}, fmt.Sprintf(body, name), "name")
	}
	check(t, &newProduct{}, `{"name":"Tea","price":1}`, "sku")
	check(t, &newProduct{}, `{"name":"Tea","price":1,"sku":"T","description":""}`, "description")
}

func TestAChangeLeavesWhatItDoesNotName(t *testing.T) {
	var nothing, described change
	check(t, &nothing, `{}`, "")
	if nothing.Name != nil || nothing.Price != nil || nothing.Description.is {
		t.Errorf("%v", nothing)
	}
	check(t, &described, `{"description":null,"price":0}`, "")
	if !described.Description.is || described.Description.text != nil || *described.Price != 0 {
		t.Errorf("%v", described)
	}
	check(t, &change{}, `{"sku":1}`, "sku")
	check(t, &change{}, `[]`, "422")
}

func TestAnOrderHasEachProductOnceInOrder(t *testing.T) {
	var order newOrder
	check(t, &order, `{"status":"pending","items":[{"product_id":7,"quantity":2,"unit_price":0.01},`+
		`{"product_id":3,"quantity":1},{"product_id":7,"quantity":2147483647}]}`, "")
	products, quantities := order.wanted()
	if !slices.Equal(products, []int64{3, 7}) || !slices.Equal(quantities, []int64{1, 2147483649}) {
		t.Errorf("%v %v", products, quantities)
	}
}

func TestAnOrderThatIsNoneSaysWhere(t *testing.T) {
	const line = `{"product_id":1,"quantity":1}`
	for body, want := range map[string]string{
		`{}`:                                    "items",
		`{"items":[]}`:                          "items",
		`{"items":{}}`:                          "items",
		`{"items":[` + line + `,null]}`:         "items[1].product_id",
		`{"items":[{"quantity":1}]}`:            "items[0].product_id",
		`{"items":[{"product_id":1}]}`:          "items[0].quantity",
		`{"status":"x","items":[` + line + `]}`: "status",
		`{"items":[` + strings.Repeat(line+",", 100) + line + `]}`: "items",
	} {
		check(t, &newOrder{}, body, want)
	}
	for _, amount := range []string{"null", "0", "-1", "1.5", `"1"`, "2147483648"} {
		check(t, &quantity{}, `{"product_id":1,"quantity":`+amount+`}`, "quantity")
		if err := parseJSON([]byte(`{"items":[{"product_id":1,"quantity":`+amount+`}]}`), &newOrder{}); err == nil {
			t.Errorf("a line of %s is taken", amount)
		}
	}
}

func TestPagesAndIDs(t *testing.T) {
	if p, err := parsePage(""); err != nil || p != (page{limit: 100}) {
		t.Errorf("%v %v", p, err)
	}
	p, err := parsePage("limit=1&skip=9223372036854775807&after=3")
	if err != nil || p != (page{3, 1<<63 - 1, 1}) {
		t.Errorf("%v %v", p, err)
	}
	for query, want := range map[string]string{
		"limit=0": "limit", "limit=101": "limit", "limit=-1": "limit", "limit=%2B1": "limit", "limit=": "limit",
		"limit=ten": "limit", "skip=-1": "skip", "skip=9223372036854775808": "skip", "after=1.5": "after",
		"limit=1;skip=1": "400",
	} {
		_, err := parsePage(query)
		if got := blamed(t, err); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	for _, id := range []string{"", "0", "-1", "tea", "1.5", "9223372036854775808"} {
		if _, err := parseID(id); blamed(t, err) != "id" {
			t.Errorf("%q: %v", id, err)
		}
	}
}
