use super::*;

/// The member that is to blame, or the status where there is none.
fn blamed<T: Parse>(body: &str) -> Option<String> {
    let rejection = T::parse(body.as_bytes()).err()?;
    Some(rejection.field.map_or_else(|| rejection.status.as_u16().to_string(), Into::into))
}

fn is_blamed<T: Parse>(body: &str, field: &str) {
    assert_eq!(blamed::<T>(body).as_deref(), Some(field), "{body}");
}

fn is_taken<T: Parse>(body: &str) {
    assert_eq!(blamed::<T>(body), None, "{body}");
}

#[test]
fn an_account_has_a_plausible_address_and_a_password_that_bcrypt_takes_whole() {
    let with = |email: &str, password: &str, name: &str| {
        format!(r#"{{"email":"{email}","password":"{password}","full_name":"{name}"}}"#)
    };
    for email in ["ana@example.com", "zoë@münchen.example", "o'hara@x-y.example", "A.b+t@E.Com"] {
        is_taken::<Registration>(&with(email, "correct horse", "Ana"));
    }
    for email in ["", "a", "@b.c", "a@b", "a@b..c", "a@-b.c", "a@b-.c", "a@b@c.d", "a b@c.d"] {
        is_blamed::<Registration>(&with(email, "correct horse", "Ana"), "email");
    }
    for password in ["ë".repeat(8), "ë".repeat(36)] {
        is_taken::<Registration>(&with("a@b.c", &password, "Ana"));
    }
    for password in ["", "1234567", &"ë".repeat(37), &"x".repeat(73), r"12345678\u0000"] {
        is_blamed::<Registration>(&with("a@b.c", password, "Ana"), "password");
    }
    is_blamed::<Registration>(&with("a@b.c", "correct horse", " "), "full_name");
    for body in ["", "{\"email\":", "{\"email\":\"\u{1}\"}"] {
        is_blamed::<Registration>(body, "400");
    }
    for body in ["[]", "null", "{}", r#"{"email":1,"password":"correct horse","full_name":"Ana"}"#] {
        is_blamed::<Registration>(body, "422");
    }
}

#[test]
fn a_login_is_a_form_or_json() {
    let read = Credentials { email: "a@b.c".to_owned(), password: "p q".to_owned() };
    for body in [
        "username=a%40b.c&password=p+q&grant_type=password",
        r#"{"username":"a@b.c","password":"p q"}"#,
        r#" {"email":"a@b.c","password":"p q"}"#,
    ] {
        assert_eq!(Credentials::parse(body.as_bytes()), Ok(read_again(&read)), "{body}");
    }
    is_blamed::<Credentials>("{", "400");
    is_blamed::<Credentials>("username=a&username=b&password=p", "400");
    is_blamed::<Credentials>("username=a%40b.c", "password");
    is_blamed::<Credentials>("password=p", "username");
    is_blamed::<Credentials>(r#"{"username":1,"password":"p"}"#, "422");
}

fn read_again(read: &Credentials) -> Credentials {
    Credentials { email: read.email.clone(), password: read.password.clone() }
}

#[test]
fn texts_are_what_postgres_can_store_and_are_counted_in_characters() {
    let named = |name: &str| format!(r#"{{"name":{name},"sku":"TEA-1","price":1.10}}"#);
    is_taken::<NewProduct>(&named(&format!("\"{}\"", "🦀".repeat(200))));
    for name in ["\"\"", "\" \"", r#""a\u0000""#, &format!("\"{}\"", "🦀".repeat(201))] {
        is_blamed::<NewProduct>(&named(name), "name");
    }
    for name in ["null", "7"] {
        is_blamed::<NewProduct>(&named(name), "422");
    }
    is_blamed::<NewProduct>(r#"{"name":"Tea","price":1}"#, "422");
    is_blamed::<NewProduct>(r#"{"name":"Tea","price":1.001,"sku":"T"}"#, "422");
    is_blamed::<NewProduct>(r#"{"name":"Tea","price":1,"sku":"T","description":""}"#, "description");
}

#[test]
fn a_change_leaves_what_it_does_not_name() {
    let nothing = Change::parse(b"{}").unwrap();
    assert!(nothing.name.is_none() && nothing.price.is_none() && nothing.description.is_none());
    let described = Change::parse(br#"{"description":null,"price":0}"#).unwrap();
    assert_eq!((described.description, described.price), (Some(None), Some(Cents(0))));
    is_blamed::<Change>(r#"{"sku":" "}"#, "sku");
    is_blamed::<Change>(r#"{"sku":1}"#, "422");
}

#[test]
fn an_order_has_each_product_once_in_the_order_of_the_products() {
    let body = r#"{"status":"pending","items":[{"product_id":7,"quantity":2,"unit_price":0.01},
        {"product_id":3,"quantity":1},{"product_id":7,"quantity":2147483647}]}"#;
    let wanted = NewOrder::parse(body.as_bytes()).unwrap().wanted();
    assert_eq!(wanted, Wanted { products: vec![3, 7], quantities: vec![1, 2_147_483_649] });
}

#[test]
fn an_order_that_is_none_says_where() {
    let line = r#"{"product_id":1,"quantity":1}"#;
    let of = |items: &str| format!(r#"{{"items":[{items}]}}"#);
    is_blamed::<NewOrder>(&of(""), "items");
    is_blamed::<NewOrder>(&of(&vec![line; 101].join(",")), "items");
    is_blamed::<NewOrder>(&of(&format!(r#"{line},{{"product_id":0,"quantity":1}}"#)), "items[1].product_id");
    is_blamed::<NewOrder>(&format!(r#"{{"status":"shipped","items":[{line}]}}"#), "status");
    for items in ["1", "null", r#"{"quantity":1}"#, r#"{"product_id":"1","quantity":1}"#] {
        is_blamed::<NewOrder>(&of(items), "422");
    }
    for quantity in ["0", "-1"] {
        let line = format!(r#"{{"product_id":1,"quantity":{quantity}}}"#);
        is_blamed::<Quantity>(&line, "quantity");
        is_blamed::<NewOrder>(&of(&line), "items[0].quantity");
    }
    for quantity in ["null", "1.5", "\"1\"", "2147483648"] {
        is_blamed::<Quantity>(&format!(r#"{{"product_id":1,"quantity":{quantity}}}"#), "422");
    }
}
