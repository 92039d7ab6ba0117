//! Counts tokens and nesting of a document's text without parsing it (GraphQL specification, section 2.1).

/// Size of a document's text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    pub tokens: usize,
    pub nesting: usize,
}

pub(super) fn shape(document: &str) -> Shape {
    let mut shape = Shape::default();
    let mut open = 0_usize;
    let mut rest = document.as_bytes();
    while let [byte, tail @ ..] = rest {
        let length = match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => {
                rest = tail;
                continue;
            }
            b'#' => {
                rest = &rest[rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len())..];
                continue;
            }
            b'"' => string(rest),
            b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => word(rest),
            b'{' | b'(' | b'[' => {
                open += 1;
                shape.nesting = shape.nesting.max(open);
                1
            }
            b'}' | b')' | b']' => {
                open = open.saturating_sub(1);
                1
            }
            _ => 1,
        };
        shape.tokens += 1;
        rest = &rest[length..];
    }
    shape
}

fn word(text: &[u8]) -> usize {
    let inside = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'+' | b'-');
    text.iter()
        .position(|b| !inside(b))
        .unwrap_or(text.len())
        .max(1)
}

/// Length of a string or block string, quotes included; an unterminated one reaches to the end.
fn string(text: &[u8]) -> usize {
    let quote: &[u8] = if text.starts_with(b"\"\"\"") {
        b"\"\"\""
    } else {
        b"\""
    };
    let mut at = quote.len();
    while at < text.len() {
        if text[at] == b'\\' {
            at += 2;
        } else if text[at..].starts_with(quote) {
            return at + quote.len();
        } else {
            at += 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_counted_as_the_specification_does() {
        assert_eq!(
            shape("{ me { role } }"),
            Shape {
                tokens: 6,
                nesting: 2
            }
        );
        assert_eq!(shape("{ a(s: \"} # \\\" {\") } # { { {").tokens, 8);
        assert_eq!(shape("\"\"\"a \" b\"\"\" x").tokens, 2);
    }

    #[test]
    fn broken_text_does_not_panic() {
        for text in ["\"", "\"\\", "\"\"\"", "}}}", "é", "\0", "- -"] {
            assert!(shape(text).tokens <= text.len());
        }
    }
}
