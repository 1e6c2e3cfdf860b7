//! The help with the types of problems in a 422.

use crate::error::ProblemKind;

macro_rules! problems {
    ($($kind:ident = $name:literal: $wrong:literal, $remedy:literal;)*) => {
        impl ProblemKind {
            /// Every type there is.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The name on the wire.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name),* }
            }

            /// What is wrong, and what to do about it, for people.
            #[must_use]
            pub fn help(self) -> (&'static str, &'static str) {
                match self { $(Self::$kind => ($wrong, $remedy)),* }
            }
        }
    };
}

problems! {
    Missing = "missing": "A value that must be there is not.", "Send it. `null` counts as absent.";
    JsonInvalid = "json_invalid": "The body is not JSON.", "Print it with a JSON library; look for an empty body, a comma too many, NaN.";
    ModelAttributesType = "model_attributes_type": "Something that must be an object is not one.", "Send `{...}`, not a list or a text of JSON.";
    ExtraForbidden = "extra_forbidden": "There is no such field or parameter here, or it came twice.", "Look at its spelling; leave out what the reference does not have.";
    StringType = "string_type": "Not a string.", "Put it in quotes.";
    StringTooShort = "string_too_short": "Fewer characters than allowed.", "The message says how many; an empty text does not clear, `null` in PATCH does.";
    StringTooLong = "string_too_long": "More characters than allowed.", "The message says how many.";
    UuidParsing = "uuid_parsing": "Not a UUID.", "Write it 8-4-4-4-12, in hexadecimal digits, without braces.";
    IntType = "int_type": "Not a number.", "Send it without quotes.";
    IntParsing = "int_parsing": "Not a whole number.", "Write it out in digits: 60, not 60.0 or 6e1.";
    GreaterThanEqual = "greater_than_equal": "Below the least that is allowed.", "The message says what that is.";
    LessThanEqual = "less_than_equal": "Above the most that is allowed.", "The message says what that is. For long walks use `cursor`.";
    DatetimeParsing = "datetime_parsing": "Not an instant.", "Write RFC 3339 with an offset: `2026-11-26T08:00:00Z`.";
    Enum = "enum": "Not one of the values there are.", "The message lists them; upper and lower case count.";
    ValueError = "value_error": "It breaks another rule of its field.", "The message says which.";
    ImmutableField = "immutable_field": "It cannot be changed once it was set.", "Leave it out; make a new one if it must differ.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_on_the_wire() {
        for kind in ProblemKind::ALL {
            assert_eq!(serde_json::to_value(kind).expect("a name"), kind.name());
        }
    }
}
