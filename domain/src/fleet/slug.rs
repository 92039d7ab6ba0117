//! Short names of the customers that a file creates.

/// Slug that a new customer of this name gets, if it is free: lower case, everything but letters a-z and digits becomes one `-`, at most 58
/// characters so that a number still fits behind it.
pub fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().map(|c| c.to_ascii_lowercase()) {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() == 58 {
            break;
        }
    }
    slug.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_plain() {
        assert_eq!(
            slug("Robert Bosch GmbH & Co. KG"),
            "robert-bosch-gmbh-co-kg"
        );
        assert_eq!(slug("3M"), "3m");
        assert_eq!(slug("  Ünïted  "), "n-ted");
        assert_eq!(slug("日本"), "");
        assert_eq!(slug(&"x-".repeat(80)).len(), 57);
    }
}
