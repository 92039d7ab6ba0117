//! What people may write into a name, a key or a value.

/// Whether there are 1 to `longest` characters, none of them a control character.
pub(crate) fn is_printable(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// Whether it is printable, and has no space at either end.
pub(crate) fn is_trimmed(text: &str, longest: usize) -> bool {
    is_printable(text, longest) && text.trim() == text
}
