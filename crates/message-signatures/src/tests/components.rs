//! Values of components, against the examples of RFC 9421 2.

use http::{HeaderMap, HeaderValue};

use super::{head, headers};
use crate::{Base, Problem, RequestHead, Signed};

/// The line that covering `component` makes.
fn line(head: &RequestHead<'_>, component: &str) -> Result<String, Problem> {
    let mut headers = head.headers.clone();
    let input = format!("sig=({component});created=1;keyid=\"k\"");
    headers.insert("signature-input", HeaderValue::from_str(&input).unwrap());
    headers.insert("signature", HeaderValue::from_static("sig=:AA==:"));
    let signed = Signed::parse(&RequestHead { headers: &headers, ..*head })?.unwrap();
    Ok(signed.signature_base().split_once('\n').unwrap().0.to_owned())
}

/// The value alone.
fn value(head: &RequestHead<'_>, component: &str) -> Result<String, Problem> {
    let line = line(head, component)?;
    Ok(line.strip_prefix(&format!("{component}: ")).unwrap_or_else(|| panic!("{line}")).to_owned())
}

#[test]
fn derived_components_are_taken_from_the_wire() {
    let none = HeaderMap::new();
    for (target, component, expected) in [
        ("/path?param=value", "@method", "POST"),
        ("/path?param=value", "@target-uri", "https://example.com/path?param=value"),
        ("/path?param=value", "@authority", "example.com"),
        ("/path?param=value", "@scheme", "https"),
        ("/path?param=value", "@request-target", "/path?param=value"),
        ("/path?param=value", "@path", "/path"),
        ("/path?param=value&foo=bar&baz=bat%2Dman", "@query", "?param=value&foo=bar&baz=bat%2Dman"),
        ("/path?queryString", "@query", "?queryString"),
        ("/path", "@query", "?"),
        ("/path?", "@query", "?"),
        ("/path?", "@target-uri", "https://example.com/path?"),
        // Nothing is decoded, normalised or resolved.
        ("/a%2fb/../c//%7E?x=%2F", "@path", "/a%2fb/../c//%7E"),
        ("/a%2fb/../c//%7E?x=%2F", "@target-uri", "https://example.com/a%2fb/../c//%7E?x=%2F"),
        ("", "@path", "/"),
        ("", "@target-uri", "https://example.com/"),
        ("?a", "@path", "/"),
        ("?a", "@target-uri", "https://example.com/?a"),
        ("/a?b?c", "@query", "?b?c"),
    ] {
        let component = format!("\"{component}\"");
        assert_eq!(
            value(&head("POST", target, &none), &component).as_deref(),
            Ok(expected),
            "{target} {component}"
        );
    }
}

#[test]
fn the_authority_is_in_lower_case_without_the_schemes_own_port() {
    let none = HeaderMap::new();
    for (scheme, authority, expected) in [
        ("https", "www.EXAMPLE.com", "www.example.com"),
        ("https", "example.com:443", "example.com"),
        ("https", "example.com:80", "example.com:80"),
        ("http", "Example.com:80", "example.com"),
        ("http", "example.com:443", "example.com:443"),
        ("https", "example.com:8443", "example.com:8443"),
        ("https", "[2001:DB8::1]:443", "[2001:db8::1]"),
        ("https", "[2001:db8::443]", "[2001:db8::443]"),
    ] {
        let here = RequestHead { base: Base { scheme, authority }, ..head("GET", "/", &none) };
        assert_eq!(value(&here, "\"@authority\"").as_deref(), Ok(expected));
        assert_eq!(value(&here, "\"@target-uri\""), Ok(format!("{scheme}://{expected}/")));
    }
}

#[test]
fn query_parameters_are_encoded_anew() {
    let none = HeaderMap::new();
    let first = "/path?param=value&foo=bar&baz=batman&qux=";
    let second = "/parameters?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace\
                  &fa%C3%A7ade%22%3A%20=something";
    let third = "/?twice=1&twice=2&bad=%FF&%FE=1&tilde=~*-._";
    let absent = |name: &str| Err(Problem::Absent(format!("\"@query-param\";name=\"{name}\"")));
    for (target, name, expected) in [
        (first, "baz", Ok("batman")),
        (first, "qux", Ok("")),
        (first, "param", Ok("value")),
        (first, "Param", absent("Param")),
        (second, "var", Ok("this%20is%20a%20big%0Amultiline%20value")),
        (second, "bar", Ok("with%20plus%20whitespace")),
        (second, "fa%C3%A7ade%22%3A%20", Ok("something")),
        (second, "fa%c3%a7ade%22%3A%20", absent("fa%c3%a7ade%22%3A%20")),
        (third, "tilde", Ok("%7E*-._")),
        (third, "twice", Err(Problem::Twice("\"@query-param\";name=\"twice\"".into()))),
        // Bytes that are no UTF-8 would decode to the same character, whichever they are.
        (third, "bad", Err(Problem::NotAscii("\"@query-param\";name=\"bad\"".into()))),
        (third, "%EF%BF%BD", Err(Problem::NotAscii("\"@query-param\";name=\"%EF%BF%BD\"".into()))),
        ("/", "a", absent("a")),
    ] {
        let component = format!("\"@query-param\";name=\"{name}\"");
        assert_eq!(
            value(&head("GET", target, &none), &component),
            expected.map(str::to_owned),
            "{target} {name}"
        );
    }
}

#[test]
fn fields_are_joined_and_trimmed_and_reserialised() {
    let fields = headers(&[
        ("host", "www.example.com"),
        ("x-ows-header", "   Leading and trailing whitespace.\t  "),
        ("cache-control", "max-age=60"),
        ("cache-control", "   must-revalidate"),
        ("example-dict", "  a=1,    b=2;x=1;y=2,   c=(a   b   c), d"),
        ("x-empty-header", ""),
        ("example-header", "value, with, lots"),
        ("example-header", "of, commas"),
        ("twice", "a=1, b, a=2"),
        ("free", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("number", "01.50"),
    ]);
    let here = head("GET", "/", &fields);
    for (component, expected) in [
        (r#""host""#, "www.example.com"),
        (r#""x-ows-header""#, "Leading and trailing whitespace."),
        (r#""cache-control""#, "max-age=60, must-revalidate"),
        (r#""x-empty-header""#, ""),
        (r#""example-dict""#, "a=1,    b=2;x=1;y=2,   c=(a   b   c), d"),
        (r#""example-dict";sf"#, "a=1, b=2;x=1;y=2, c=(a b c), d"),
        (r#""example-dict";key="a""#, "1"),
        (r#""example-dict";key="d""#, "?1"),
        (r#""example-dict";key="b""#, "2;x=1;y=2"),
        (r#""example-dict";key="c""#, "(a b c)"),
        (r#""example-header";bs"#, ":dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:"),
        (r#""example-header""#, "value, with, lots, of, commas"),
        (r#""x-empty-header";bs"#, "::"),
        (r#""x-empty-header";sf"#, ""),
        (r#""number";sf"#, "1.5"),
        (r#""twice";key="a""#, "2"),
    ] {
        assert_eq!(value(&here, component).as_deref(), Ok(expected), "{component}");
    }
    for (component, expected) in [
        (r#""missing""#, Problem::Absent(r#""missing""#.into())),
        (r#""missing";bs"#, Problem::Absent(r#""missing";bs"#.into())),
        (r#""example-dict";key="e""#, Problem::Absent(r#""example-dict";key="e""#.into())),
        (r#""free";sf"#, Problem::NotStructured(r#""free";sf"#.into())),
        (r#""free";key="a""#, Problem::NotStructured(r#""free";key="a""#.into())),
        (r#""x-empty-header";key="a""#, Problem::Absent(r#""x-empty-header";key="a""#.into())),
    ] {
        assert_eq!(value(&here, component), Err(expected), "{component}");
    }
}

#[test]
fn a_field_that_reads_in_two_ways_is_not_reserialised() {
    // A dictionary of two members, or a list of three.
    let fields = headers(&[("either", "a, b, a"), ("both", "a, b;x=1")]);
    let here = head("GET", "/", &fields);
    assert_eq!(value(&here, r#""either";sf"#), Err(Problem::NotStructured(r#""either";sf"#.into())));
    assert_eq!(value(&here, r#""both";sf"#).as_deref(), Ok("a, b;x=1"));
}

#[test]
fn bytes_outside_ascii_are_covered_as_bytes_only() {
    let mut fields = HeaderMap::new();
    fields.insert("x-name", HeaderValue::from_bytes("Zoë".as_bytes()).unwrap());
    let here = head("GET", "/", &fields);
    assert_eq!(value(&here, "\"x-name\""), Err(Problem::NotAscii("\"x-name\"".into())));
    assert_eq!(value(&here, "\"x-name\";bs").as_deref(), Ok(":Wm/Dqw==:"));
}

#[test]
fn what_has_no_meaning_in_a_request_is_refused() {
    let fields = headers(&[("date", "x"), ("example-dict", "a=1")]);
    let here = head("GET", "/", &fields);
    let known = |component: &str| Problem::ComponentParameter(component.to_owned());
    for (component, expected) in [
        (r#""@status""#, Problem::UnknownComponent(r#""@status""#.into())),
        (r#""@signature-params""#, Problem::UnknownComponent(r#""@signature-params""#.into())),
        (r#""@Method""#, Problem::UnknownComponent(r#""@Method""#.into())),
        (r#""@""#, Problem::UnknownComponent(r#""@""#.into())),
        (r#""Date""#, Problem::FieldName(r#""Date""#.into())),
        (r#""""#, Problem::FieldName(r#""""#.into())),
        (r#""da te""#, Problem::FieldName(r#""da te""#.into())),
        (r#""date: x""#, Problem::FieldName(r#""date: x""#.into())),
        ("date", Problem::NotAName("date".into())),
        ("1", Problem::NotAName("1".into())),
        (":AA==:", Problem::NotAName(":AA==:".into())),
        (r#""@method";req"#, known(r#""@method";req"#)),
        (r#""@method";sf"#, known(r#""@method";sf"#)),
        (r#""@path";name="a""#, known(r#""@path";name="a""#)),
        (r#""@query-param""#, known(r#""@query-param""#)),
        (r#""@query-param";name=1"#, known(r#""@query-param";name=1"#)),
        (r#""@query-param";name="a";sf"#, known(r#""@query-param";name="a";sf"#)),
        (r#""date";req"#, known(r#""date";req"#)),
        (r#""date";tr"#, known(r#""date";tr"#)),
        (r#""date";name="x""#, known(r#""date";name="x""#)),
        (r#""date";unknown"#, known(r#""date";unknown"#)),
        (r#""date";sf=?0"#, known(r#""date";sf=?0"#)),
        (r#""date";bs;sf"#, known(r#""date";bs;sf"#)),
        (r#""example-dict";key=a"#, known(r#""example-dict";key=a"#)),
        (r#""example-dict";key="a";sf"#, known(r#""example-dict";key="a";sf"#)),
        (r#""date" "@method" "date""#, Problem::Twice(r#""date""#.into())),
        (r#""date";bs "date";bs"#, Problem::Twice(r#""date";bs"#.into())),
        (r#""date";bs;bs"#, Problem::NotADictionary("signature-input")),
    ] {
        assert_eq!(value(&here, component), Err(expected), "{component}");
    }
}
