//! What people may write into a name, a key or a value.

/// Whether there are 1 to `longest` characters, none of them a control character.
pub(crate) fn is_printable(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// Whether it is printable, and has no space at either end.
pub(crate) fn is_trimmed(text: &str, longest: usize) -> bool {
    is_printable(text, longest) && text.trim() == text
}

/// Whether it may be the slug of a tenant or a customer.
pub(crate) fn is_slug(text: &str) -> bool {
    let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(known) && !text.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::is_slug;

    #[test]
    fn a_slug_is_plain_lower_case() {
        for good in ["a", "alpha", "3m", "a-b"] {
            assert!(is_slug(good), "{good}");
        }
        for bad in ["", "-a", "A", "a b", "a\0", "é", &"a".repeat(64)] {
            assert!(!is_slug(bad), "{bad}");
        }
    }
}
